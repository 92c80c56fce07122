"""Boundary distances by hand and against brute force over all pairs of surface voxels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from explainct.scoring.metrics.declarations import DISTANCE_METRICS
from explainct.scoring.metrics.surface_distance import boundary_distances

SHAPE = (3, 4, 5)
SPACING = (2.5, 0.7, 0.8)
MASKS = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 1)).filter(np.any)


def surface(mask):
    """Positions in mm of the voxels of which one of six neighbours is outside, the edge of the grid included."""
    padded = np.pad(mask.astype(bool), 1)
    neighbours = [np.roll(padded, shift, axis) for axis in range(3) for shift in (-1, 1)]
    return np.argwhere(padded & ~np.all(neighbours, axis=0)) * SPACING


def distances(explanation, truth, **changes):
    return boundary_distances(explanation.astype(np.float32), truth, **{"threshold": 0.5, "spacing": SPACING} | changes)


def cube(start, size=3):
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[tuple(slice(first, first + size) for first in start)] = 1
    return mask


@given(MASKS, MASKS)
@settings(max_examples=40)
def test_distances_equal_brute_force(mask, truth):
    pairs = cdist(surface(mask), surface(truth))
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    found = distances(mask, truth)
    assert set(found) == set(DISTANCE_METRICS)
    worst = max(np.percentile(there, 95), np.percentile(back, 95))
    assert found["hausdorff95_mm"] == pytest.approx(worst, rel=1e-5)
    assert found["surface_distance_mm"] == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-5)


@given(MASKS, MASKS)
@settings(max_examples=20)
def test_map_and_truth_may_be_exchanged(mask, truth):
    assert distances(mask, truth) == pytest.approx(distances(truth, mask), rel=1e-6)


def test_equal_masks_have_distance_zero():
    assert set(distances(cube((2, 3, 4)), cube((2, 3, 4))).values()) == {0}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_voxels_are_as_far_apart_as_the_spacing_says(axis):
    start = [2, 2, 2]
    start[axis] += 5
    found = distances(cube(start, 1), cube((2, 2, 2), 1))
    assert list(found.values()) == pytest.approx([5 * SPACING[axis]] * 2)


def test_one_far_voxel_moves_the_mean_and_leaves_the_95th_percentile():
    truth = cube((1, 1, 1), 5)
    far = truth.copy()
    far[11, 11, 11] = 1
    found = distances(far, truth)
    assert found["hausdorff95_mm"] == 0
    assert found["surface_distance_mm"] > 0


def test_an_empty_map_is_as_far_as_the_grid_is_long():
    truth = cube((0, 0, 0), 1)
    diagonal = 11 * np.linalg.norm(SPACING)
    assert list(distances(np.full(truth.shape, 0.5), truth).values()) == pytest.approx([diagonal] * 2)
    assert list(distances(cube((11, 11, 11), 1), truth).values()) == pytest.approx([diagonal] * 2)


def test_values_at_the_threshold_are_outside():
    explanation = np.where(cube((2, 2, 2)), 0.8, 0.4)
    assert distances(explanation, cube((2, 2, 2)), threshold=0.4)["hausdorff95_mm"] == 0
    assert distances(explanation, cube((2, 2, 2)), threshold=0.3)["hausdorff95_mm"] > 0


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, 1, -2), (1, np.nan, 1), (1, np.inf, 1)])
def test_a_bad_spacing_is_refused(spacing):
    with pytest.raises(ValueError, match="3 positive numbers"):
        distances(cube((1, 1, 1)), cube((1, 1, 1)), spacing=spacing)


def test_an_empty_annotation_is_refused():
    with pytest.raises(ValueError, match="at least one 1"):
        distances(np.ones(SHAPE), np.zeros(SHAPE))
