"""Run pylidc itself and save its clusters, boxes and consensus: `python pylidc_reference.py result.npz 12 252 ...`."""

import importlib.metadata
import sys
import types

import numpy as np

vars(np).update(int=int, float=float)
resources = types.ModuleType("pkg_resources")
resources.resource_filename = lambda package, name: str(
    importlib.metadata.distribution(package).locate_file(f"{package}/{name}")
)
sys.modules["pkg_resources"] = resources

import pylidc  # noqa: E402
from pylidc.utils import consensus  # noqa: E402

found = {}
for scan_id in map(int, sys.argv[2:]):
    scan = pylidc.query(pylidc.Scan).filter(pylidc.Scan.id == scan_id).one()
    for number, cluster in enumerate(scan.cluster_annotations(verbose=False)):
        mask, box, masks = consensus(cluster, clevel=0.5)
        name = f"{scan_id}/{number}/"
        found[name + "members"] = [annotation.id for annotation in cluster]
        found[name + "box"] = [[side.start, side.stop] for side in box]
        found[name + "consensus"] = mask
        found[name + "readers"] = np.stack(masks)
np.savez(sys.argv[1], **found)
