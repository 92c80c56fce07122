"""Run pylidc itself and save what it finds, to compare with: `python pylidc_reference.py result.npz 12 252 ...`.

pylidc 0.2.3 cannot be imported on current numpy and setuptools, so what it misses is put in place first, which is why
this is a program of its own and never imported. Arrays have pylidc's axes (i, j, k).
"""

import importlib.metadata
import sys
import types
from time import process_time

import numpy as np

vars(np).update(int=int, float=float)
resources = types.ModuleType("pkg_resources")
vars(resources)["resource_filename"] = lambda package, name: str(
    importlib.metadata.distribution(package).locate_file(f"{package}/{name}")
)
sys.modules["pkg_resources"] = resources

import pylidc  # noqa: E402
from pylidc.utils import consensus  # noqa: E402


def find(scan_ids: list[int]) -> dict[str, np.ndarray]:
    """Return members, box, consensus and readers' masks of each lesion, and the CPU seconds of both steps."""
    found: dict[str, np.ndarray] = {}
    seconds = np.zeros(2)
    for scan_id in scan_ids:
        start = process_time()
        scan = pylidc.query(pylidc.Scan).filter(pylidc.Scan.id == scan_id).one()
        clusters = scan.cluster_annotations(verbose=False)
        seconds[0] += process_time() - start
        for number, cluster in enumerate(clusters):
            start = process_time()
            mask, box, masks = consensus(cluster, clevel=0.5)
            seconds[1] += process_time() - start
            name = f"{scan_id}/{number}/"
            found[name + "members"] = np.array([annotation.id for annotation in cluster])
            found[name + "box"] = np.array([[side.start, side.stop] for side in box])
            found[name + "consensus"] = mask
            found[name + "readers"] = np.stack(masks)
    return found | {"seconds": seconds}


np.savez(sys.argv[1], **find([int(word) for word in sys.argv[2:]]))
