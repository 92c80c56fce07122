"""Scores of slices: a method's own, and those of a sceptic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainct.due.interpolation_study.slice_uncertainty import (
    disagreement,
    disagreement_hidden,
    size_score,
    slice_score,
)
from explainct.errors import UserError


def test_the_score_of_a_slice_is_its_variance_over_its_mean():
    probability = np.zeros((4, 3, 3))
    probability[0, :2], probability[1, 1, 1] = 0.5, 1.0
    variance = probability * (1 - probability)
    variance[3, 0, 0] = 0.1
    np.testing.assert_allclose(slice_score(probability, variance), [0.5, 0.0, 0.0, 1.0])


def test_a_predictor_that_doubts_more_than_it_predicts_is_cut_to_one():
    probability, variance = np.full((1, 2, 2), 1e-9), np.full((1, 2, 2), 0.01)
    assert slice_score(probability, variance).tolist() == [1.0]


@given(st.integers(0, 2**16))
def test_draws_never_exceed_one_and_empty_surroundings_do_not_matter(seed):
    draws = np.random.default_rng(seed).random((5, 2, 4, 4)) ** 3
    probability, variance = draws.mean(0), draws.var(0)
    score = slice_score(probability, variance)
    assert ((score >= 0) & (score <= 1)).all()
    around = ((0, 0), (3, 2), (1, 4))
    np.testing.assert_allclose(slice_score(np.pad(probability, around), np.pad(variance, around)), score)
    np.testing.assert_allclose(slice_score(probability[::-1], variance[::-1]), score[::-1])


MASKS = np.zeros((5, 4, 4), dtype=bool)
for number, side in enumerate((1, 2, 3, 4, 2)):
    MASKS[number, :side, :side] = True
KEPT, HIDDEN = np.array([0, 2, 4]), np.array([1, 3])


def test_size_is_of_the_two_kept_shapes_around():
    assert size_score(MASKS, KEPT, HIDDEN).tolist() == [-5.0, -6.5]
    changed = MASKS.copy()
    changed[HIDDEN] = ~changed[HIDDEN]
    assert size_score(changed, KEPT, HIDDEN).tolist() == [-5.0, -6.5]


def test_readers_disagree_on_kept_slices_or_on_hidden_ones():
    readers = np.stack([MASKS, MASKS, MASKS])
    assert disagreement(readers, MASKS, KEPT, HIDDEN).tolist() == [0, 0]
    readers[0, 2] = False  # Dice 0 of one reader of three on a slice that both hidden ones have beside them
    np.testing.assert_allclose(disagreement(readers, MASKS, KEPT, HIDDEN), [1 / 6, 1 / 6])
    assert disagreement_hidden(readers, MASKS, HIDDEN).tolist() == [0, 0]
    readers[1, 3, :, 2:] = False  # 8 of 16 pixels: Dice 2/3
    np.testing.assert_allclose(disagreement(readers, MASKS, KEPT, HIDDEN), [1 / 6, 1 / 6])
    np.testing.assert_allclose(disagreement_hidden(readers, MASKS, HIDDEN), [0, 1 / 9])
    np.testing.assert_allclose(disagreement(readers[::-1], MASKS, KEPT, HIDDEN), [1 / 6, 1 / 6])


@pytest.mark.parametrize("hidden", [[2], [5], [-1]])
def test_a_hidden_slice_lies_between_two_kept_ones(hidden):
    with pytest.raises(UserError, match="between two kept ones"):
        size_score(MASKS, KEPT, np.array(hidden))


def test_readers_and_consensus_have_one_box():
    with pytest.raises(UserError, match=r"\[R, K, h, w\]"):
        disagreement(MASKS[None, :, 1:], MASKS, KEPT, HIDDEN)
