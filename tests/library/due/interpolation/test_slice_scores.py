"""Scores of filled slices: that the numbers are what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, f1_score

from explainct.due.interpolation.slice_scores import brier, dice, region_of

slices = arrays(np.float64, (3, 5, 5), elements=st.floats(0, 1, width=16))


@given(predicted=slices, truth=slices)
def test_dice_equals_f1(predicted, truth):
    for value, a, b in zip(dice(predicted, truth), predicted.reshape(3, -1), truth.reshape(3, -1), strict=True):
        assert value == pytest.approx(f1_score(b >= 0.5, a >= 0.5, zero_division=1.0))


@given(predicted=slices, truth=slices)
def test_brier_equals_scikit_learns_within_the_region(predicted, truth):
    region = np.zeros((3, 5, 5), bool)
    region[:, 1:4, :3] = True
    for value, a, b, inside in zip(brier(predicted, truth >= 0.5, region), predicted, truth, region, strict=True):
        assert value == pytest.approx(brier_score_loss(b[inside] >= 0.5, a[inside], pos_label=True))


def test_region_is_near_the_contexts():
    contexts = np.zeros((2, 11, 11))
    assert region_of(contexts).all()
    contexts[1, 5, 5] = 1
    i, j = np.indices((11, 11)) - 5
    assert np.array_equal(region_of(contexts), i**2 + j**2 <= 9)
