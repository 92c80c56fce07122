"""Classical interpolation: ends, equal slices, symmetry, and discs whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.draw import disk

from explainct.due.interpolation.classical import METHODS, linear, nearest, signed_distance, signed_distance_field

masks = arrays(np.float32, (6, 6), elements=st.sampled_from([np.float32(0), np.float32(1)]))
positions = st.floats(0, 1)


def disc(radius: float, centre: float = 15.5) -> np.ndarray:
    mask = np.zeros((32, 32), np.float32)
    mask[disk((centre, centre), radius, shape=mask.shape)] = 1
    return mask


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
class TestEveryMethod:
    @given(mask=masks, t=positions)
    def test_equal_slices_give_that_slice(self, method, mask, t):
        np.testing.assert_allclose(method(np.stack([mask, mask]), np.array([t]))[0], mask, atol=1e-6)

    @given(below=masks, above=masks)
    def test_ends_are_the_contexts(self, method, below, above):
        filled = method(np.stack([below, above]), np.array([0.0, 1.0]))
        np.testing.assert_allclose(filled, [below, above], atol=1e-6)

    @given(below=masks, above=masks, t=positions.filter(lambda t: t != 0.5))
    def test_reversing_the_pair_mirrors_the_answer(self, method, below, above, t):
        forward = method(np.stack([below, above]), np.array([t]))
        backward = method(np.stack([above, below]), np.array([1 - t]))
        np.testing.assert_allclose(forward, backward, atol=1e-6)
        assert forward.shape == (1, 6, 6)
        assert forward.min() >= 0
        assert forward.max() <= 1


def test_nearest_takes_the_first_slice_half_way():
    contexts = np.stack([disc(4), disc(8)])
    assert np.array_equal(nearest(contexts, np.array([0.5, 0.51])), contexts)


def test_linear_is_proportional():
    assert linear(np.stack([np.zeros((2, 2)), np.ones((2, 2))]), np.array([0.25])).tolist() == [[[0.25] * 2] * 2]


def test_signed_distance_of_discs_is_the_disc_between():
    filled = signed_distance(np.stack([disc(4), disc(12)]), np.array([0.25, 0.5, 0.75]))
    for slice_, radius in zip(filled, (6, 8, 10), strict=True):
        area = (slice_ >= 0.5).sum()
        assert disc(radius - 0.6).sum() <= area <= disc(radius + 0.6).sum()


def test_bias_moves_the_outline_outwards():
    contexts, t = np.stack([disc(4), disc(4, 18.5)]), np.array([0.5])
    areas = [(signed_distance(contexts, t, bias=bias) >= 0.5).sum() for bias in (-1, 0, 1)]
    assert areas[0] < areas[1] < areas[2]


def test_signed_distance_field_equals_brute_force():
    mask = disc(3, 6.5)[:14, :14] > 0
    points = np.argwhere(np.ones_like(mask))
    inside, outside = np.argwhere(mask), np.argwhere(~mask)
    expected = [
        np.linalg.norm(outside - p, axis=1).min() - 0.5
        if mask[tuple(p)]
        else 0.5 - np.linalg.norm(inside - p, axis=1).min()
        for p in points
    ]
    np.testing.assert_allclose(signed_distance_field(mask).ravel(), expected)


def test_an_empty_context_pushes_the_shape_away():
    filled = signed_distance(np.stack([disc(4), np.zeros((32, 32))]), np.array([0.02, 0.5]))
    assert filled[0].max() == 1
    assert filled[1].max() == 0
