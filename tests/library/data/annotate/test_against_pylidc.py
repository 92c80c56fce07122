"""Clusters, boxes and masks equal those of pylidc itself, which runs patched in a process of its own."""

import numpy as np
import pytest

from explainct.benchmarks.consensus import count_equal, masks_of, run_pylidc
from explainct.data.annotate.clustering import cluster_annotations
from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_scans import cluster_scans

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


EVERY_TENTH = range(1, 1019, 10)


@pytest.fixture(scope="module")
def reference(scans):
    return run_pylidc(sorted({*SCANS, *(scan for scan in EVERY_TENTH if scan in scans)}))


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


def test_every_tenth_scan_equals_pylidc(reference, database):
    clusters = cluster_scans(database)
    ours = masks_of(database, {scan: lesions for scan, lesions in clusters.items() if f"{scan}/0/box" in reference})
    assert len({scan for scan, _ in ours}) >= 90
    assert sum(name.endswith("/box") for name in reference) == len(ours) > 250
    assert count_equal(ours, reference) == len(ours)


def test_a_difference_is_seen(reference, database):
    ours = masks_of(database, {12: cluster_scans(database)[12]})
    assert count_equal(ours, reference) == 1
    for name in ("members", "box", "readers", "consensus"):
        changed = reference[f"12/0/{name}"].copy()
        changed.flat[0] += 1
        assert count_equal(ours, reference | {f"12/0/{name}": changed}) == 0
    assert count_equal(ours, {}) == 0


def test_the_chosen_scans_hold_the_oddities(database):
    contours = [c for scan_id in SCANS for a in database.annotations[scan_id] for c in a.contours]
    assert sum(not contour.included for contour in contours) > 20
    assert sum((contour.points[0] != contour.points[-1]).any() for contour in contours) >= 5
    assert sum(len(np.unique(contour.points, axis=0)) == 1 for contour in contours) == 1
