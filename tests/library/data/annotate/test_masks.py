"""Outlines as masks on drawn examples, and what any consensus must obey."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explainct.data.annotate.clustering import cluster_annotations
from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_database import Annotation, Contour, Scan
from explainct.runtime.volume import Box

SCAN = Scan(1, "P", "1", "2", 2.0, 0.7, np.arange(10) * 2.0)
SQUARE = [(0, 0), (0, 6), (6, 6), (6, 0), (0, 0)]
HOLE = [(2, 2), (2, 4), (4, 4), (4, 2), (2, 2)]


def outline(points, z=4.0, included=True, at=(100, 200)):
    return Contour(z, included, np.add(points, at), "1.dcm", int(z / 2))


def dense(corners):
    """All pixels of an outline of straight horizontal and vertical edges."""
    points = []
    for (a, b), (c, d) in pairwise(corners):
        steps = max(abs(c - a), abs(d - b))
        points += [(a + (c - a) * n // steps, b + (d - b) * n // steps) for n in range(steps)]
    return [*points, corners[-1]]


def reader(*contours):
    return Annotation(1, 1, {}, contours)


def test_outline_is_outside_and_its_inside_is_filled():
    masks, box = reader_masks([reader(outline(dense(SQUARE)))], SCAN)
    assert box == Box((2, 100, 200), (3, 107, 207))
    expected = np.zeros((7, 7), dtype=np.uint8)
    expected[1:-1, 1:-1] = 1
    np.testing.assert_array_equal(masks, expected[None, None])


def test_exclusion_cuts_out_its_inside_and_its_own_pixels_in_any_order():
    contours = outline(dense(SQUARE)), outline(dense(HOLE), included=False)
    masks, _ = reader_masks([reader(*contours), reader(*contours[::-1])], SCAN)
    assert masks[0].sum() == 25 - 9
    assert not masks[0, 0, 2:5, 2:5].any()
    np.testing.assert_array_equal(masks[0], masks[1])


def test_open_outline_is_closed():
    points = dense(SQUARE)
    masks, _ = reader_masks([reader(outline(points)), reader(outline(points[:-3]))], SCAN)
    assert masks[1].sum() == 25
    np.testing.assert_array_equal(masks[1, 0, 1:-1, 1:-1], masks[0, 0, 1:-1, 1:-1])


def test_two_outlines_on_a_slice_are_both_filled():
    masks, box = reader_masks([reader(outline(dense(SQUARE)), outline(dense(SQUARE), at=(120, 200)))], SCAN)
    assert box.shape == (1, 27, 7)
    assert masks.sum() == 50


@pytest.mark.parametrize("points", [[(5, 5)], [(5, 5), (5, 5)], [(5, 5), (5, 6), (5, 5)], [(0, 0), (0, 1), (1, 1)]])
def test_outline_that_encloses_nothing_gives_an_empty_mask(points):
    masks, box = reader_masks([reader(outline(points))], SCAN)
    assert not masks.any()
    assert masks.shape == (1, *box.shape)


def test_box_is_the_union_over_readers_and_slices():
    far = reader(outline(dense(HOLE), z=10.0), outline(dense(HOLE), z=12.0))
    masks, box = reader_masks([reader(outline(dense(SQUARE))), far], SCAN)
    assert (box.start, box.stop) == ((2, 100, 200), (7, 107, 207))
    assert masks.any(axis=(2, 3)).tolist() == [[True, *[False] * 4], [*[False] * 3, True, True]]


def test_indices_follow_the_slices_of_the_given_scan():
    slab = replace(SCAN, z_mm=SCAN.z_mm[2:])
    masks, box = reader_masks([reader(outline(dense(SQUARE)))], SCAN)
    masks_of_slab, box_of_slab = reader_masks([reader(outline(dense(SQUARE)))], slab)
    assert box_of_slab == box.shifted((-2, 0, 0))
    np.testing.assert_array_equal(masks_of_slab, masks)


masks_of_readers = arrays(np.uint8, st.tuples(st.integers(1, 6), *[st.integers(1, 4)] * 3), elements=st.integers(0, 1))


@given(masks_of_readers, st.floats(0.01, 1), st.floats(0.01, 1), st.randoms(use_true_random=False))
def test_consensus_shrinks_with_the_level_and_ignores_the_order_of_readers(masks, one, other, random):
    low, high = sorted([one, other])
    assert (consensus(masks, high) <= consensus(masks, low)).all()
    order = random.sample(range(len(masks)), len(masks))
    np.testing.assert_array_equal(consensus(masks[order], low), consensus(masks, low))
    np.testing.assert_array_equal(consensus(masks, 1.0), masks.all(axis=0))
    np.testing.assert_array_equal(consensus(masks, 1 / len(masks)), masks.any(axis=0))


@given(masks_of_readers)
def test_half_the_readers_suffice(masks):
    np.testing.assert_array_equal(consensus(masks, 0.5), 2 * masks.sum(axis=0, dtype=int) >= len(masks))


def test_no_consensus_of_real_lesions_is_empty(database, scans):
    smallest = []
    for scan_id, group in list(database.annotations.items())[::40]:
        for cluster in cluster_annotations(group, scans[scan_id].slice_thickness):
            masks, _ = reader_masks(cluster, scans[scan_id])
            agreed = consensus(masks, 0.5)
            assert (agreed <= masks.any(axis=0)).all()
            assert (agreed >= masks.all(axis=0)).all()
            smallest.append(int(agreed.sum()))
    assert min(smallest) >= 3
