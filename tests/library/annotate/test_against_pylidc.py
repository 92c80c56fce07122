"""Clusters, boxes and masks equal those of pylidc itself, which runs patched in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from due.annotate.cluster import cluster_annotations
from due.annotate.masks import consensus, reader_masks

SCANS = {
    12: "the demo's LIDC-IDRI-0001",
    77: "a reader skips a slice",
    141: "one annotation, several outlines on a slice",
    204: "five readers cannot be parted, exclusion outlines",
    252: "five readers cannot be parted, several outlines on a slice",
    327: "a smaller tolerance parts the lesions",
    337: "a smaller tolerance parts the lesions",
    346: "exclusion outlines, open outlines, several on a slice",
    377: "an outline of two pixels",
    530: "an outline of one pixel",
    812: "exclusion outlines, open outlines, several on a slice",
    874: "one annotation with an open outline",
    975: "exclusion outlines",
    983: "the scan misses slices, open outlines",
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    script = Path(__file__).with_name("pylidc_reference.py")
    command = [sys.executable, "-W", "ignore", str(script), str(home / "found.npz"), *map(str, SCANS)]
    environment = os.environ | {"HOME": str(home), "MPLBACKEND": "agg"}
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)
    with np.load(home / "found.npz") as found:
        return dict(found)


@pytest.mark.parametrize("scan_id", SCANS, ids=lambda scan_id: f"{scan_id}: {SCANS[scan_id]}")
def test_equals_pylidc(scan_id, reference, database, scans):
    scan = scans[scan_id]
    clusters = cluster_annotations(database.annotations[scan_id], scan.slice_thickness)
    expected = [value.tolist() for name, value in reference.items() if name.startswith(f"{scan_id}/") and "mem" in name]
    assert [[annotation.annotation_id for annotation in cluster] for cluster in clusters] == expected
    for number, cluster in enumerate(clusters):
        masks, box = reader_masks(cluster, scan)
        box_ijk = np.roll(np.column_stack([box.start, box.stop]), -1, axis=0)
        np.testing.assert_array_equal(box_ijk, reference[f"{scan_id}/{number}/box"])
        np.testing.assert_array_equal(np.moveaxis(masks, 1, -1), reference[f"{scan_id}/{number}/readers"])
        agreed = consensus(masks, 0.5)
        np.testing.assert_array_equal(np.moveaxis(agreed, 0, -1), reference[f"{scan_id}/{number}/consensus"])
        assert masks.dtype == agreed.dtype == np.uint8


def test_the_chosen_scans_hold_the_oddities(database):
    contours = [c for scan_id in SCANS for a in database.annotations[scan_id] for c in a.contours]
    assert sum(not contour.included for contour in contours) > 20
    assert sum((contour.points[0] != contour.points[-1]).any() for contour in contours) >= 5
    assert sum(len(np.unique(contour.points, axis=0)) == 1 for contour in contours) == 1
