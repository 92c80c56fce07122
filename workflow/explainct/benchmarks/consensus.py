"""Compare clustering and consensus of all LIDC lesions with pylidc itself: equal lesions, and CPU time of both."""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd

from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_database import Database, load_database
from explainct.data.annotate.lidc_scans import Lesion, cluster_scans
from explainct.runtime.files import write_csv
from explainct.runtime.volume import Box

log = logging.getLogger(__name__)

Found = dict[tuple[int, int], tuple[list[int], Box, np.ndarray, np.ndarray]]
"""Annotation numbers, box, readers' masks and consensus of each lesion, by scan and the lesion's number in it."""


def benchmark_annotation(*, out_file: Path) -> None:
    """Write seconds of CPU time and the number of equal lesions, one row a step and the total last.

    Reading the database counts as clustering, on both sides; importing libraries does not count.

    Args:
        out_file: the CSV file, with columns `case`, `seconds_ours`, `seconds_other`, `speedup`, `nodules`, `equal`.
    """
    start = process_time()
    database = load_database()
    clusters = cluster_scans(database)
    middle = process_time()
    ours = masks_of(database, clusters)
    ours_seconds = np.array([middle - start, process_time() - middle])
    log.info("ours: %.1f s; pylidc itself takes some minutes", ours_seconds.sum())
    theirs = run_pylidc(scan.scan_id for scan in database.scans)
    equal = count_equal(ours, theirs)
    table = pd.DataFrame({"case": ["clustering", "consensus"], "seconds_ours": ours_seconds})
    table["seconds_other"] = theirs["seconds"]
    table.loc[2] = ["total", *table[["seconds_ours", "seconds_other"]].sum()]
    table["speedup"] = table["seconds_other"] / table["seconds_ours"]
    write_csv(table.assign(nodules=len(ours), equal=equal), out_file)


def masks_of(database: Database, clusters: Mapping[int, list[Lesion]]) -> Found:
    """Return the box, the readers' masks and the 50 % consensus of all lesions in `clusters`."""
    found: Found = {}
    for scan in database.scans:
        for number, lesion in enumerate(clusters.get(scan.scan_id, ())):
            masks, box = reader_masks(lesion, scan)
            members = [annotation.annotation_id for annotation in lesion]
            found[scan.scan_id, number] = members, box, masks, consensus(masks, 0.5)
    return found


def run_pylidc(scan_ids: Iterable[int]) -> dict[str, np.ndarray]:
    """Return what pylidc finds in these scans, as `pylidc_reference.py` names it, and its CPU time in `seconds` [2]."""
    script = Path(__file__).with_name("pylidc_reference.py")
    with tempfile.TemporaryDirectory() as home:
        # pylidc writes into the home folder when it is imported.
        environment = os.environ | {"HOME": home, "MPLBACKEND": "agg"}
        command = [sys.executable, "-W", "ignore", str(script), f"{home}/found.npz", *map(str, scan_ids)]
        subprocess.run(command, check=True, env=environment)
        with np.load(f"{home}/found.npz") as found:
            return dict(found)


def count_equal(ours: Found, theirs: Mapping[str, np.ndarray]) -> int:
    """Return how many of our lesions have the annotations, box, masks and consensus that pylidc finds."""
    return sum(_equals(lesion, f"{scan}/{number}/", theirs) for (scan, number), lesion in ours.items())


def _equals(lesion: tuple[list[int], Box, np.ndarray, np.ndarray], name: str, theirs: Mapping[str, np.ndarray]) -> bool:
    members, box, masks, agreed = lesion
    if name + "members" not in theirs:
        return False
    box_ijk = np.roll(np.column_stack([box.start, box.stop]), -1, axis=0)
    pairs = {
        "members": np.array(members),
        "box": box_ijk,
        "readers": np.moveaxis(masks, 1, -1),
        "consensus": np.moveaxis(agreed, 0, -1),
    }
    return all(np.array_equal(value, theirs[name + key]) for key, value in pairs.items())
