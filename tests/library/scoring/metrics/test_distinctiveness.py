"""Distinctiveness against all pairs, and what it promises (INFORMER, section 2)."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explainct.scoring.metrics.distinctiveness import distinctiveness

SHAPES = [(8, 9), (4, 8, 9)]


def by_pairs(maps):
    """Sum the cosine distances of all pairs one after another; a map of zeros has a cosine of 0 with any other."""
    flat = maps.flatten(2).double().numpy()
    result = np.zeros(flat.shape[:2])
    for b, image in enumerate(flat):
        for i, one in enumerate(image):
            for j, other in enumerate(image):
                if i != j:
                    lengths = np.linalg.norm(one) * np.linalg.norm(other)
                    result[b, i] += 1 - (one @ other / lengths if lengths else 0)
    return result


def maps(shape, classes=6, zeros=(), seed=0):
    drawn = torch.randn(3, classes, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    drawn[:, list(zeros)] = 0
    return drawn


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zeros", [(), (2,), (0, 1, 5), tuple(range(6))])
def test_it_is_the_sum_over_pairs_zero_maps_included(shape, zeros):
    drawn = maps(shape, zeros=zeros)
    np.testing.assert_allclose(distinctiveness(drawn).numpy(), by_pairs(drawn), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_positive_factors_of_single_maps_do_not_matter(shape):
    drawn = maps(shape, zeros=(3,))
    factors = torch.rand(3, 6, *[1] * len(shape), dtype=torch.float64) * 1e3 + 1e-3
    np.testing.assert_allclose(distinctiveness(drawn * factors), distinctiveness(drawn), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_maps_have_none_and_constant_maps_are_equal(shape):
    alike = maps(shape)[:, :1].expand(-1, 6, *shape)
    np.testing.assert_allclose(distinctiveness(alike), 0, atol=1e-12)
    constant = torch.arange(1.0, 7.0)[None, :, None, None].expand(2, 6, 4, 5)
    np.testing.assert_allclose(distinctiveness(constant), 0, atol=1e-12)
    assert (distinctiveness(constant) >= 0).all()


@given(st.integers(2, 8), st.integers(0, 100))
def test_the_sum_over_classes_is_bounded(classes, seed):
    found = distinctiveness(maps((3, 2), classes, seed=seed))
    assert (found >= 0).all()
    assert (found <= 2 * (classes - 1)).all()
    assert (found.sum(1) <= classes**2 + 1e-9).all()


def test_a_single_class_has_none():
    assert distinctiveness(maps((4, 4), 1)).abs().max() == 0
