"""Scores over distance within a nodule, and over growing gaps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from explainct.due.interpolation_study.distance_trend import GrowingGap, distance_share, gap_trend, growing_gaps
from explainct.due.interpolation_study.uncertainty_curves import growing_gap_curve
from explainct.errors import UserError

RNG = np.random.default_rng(0)


def test_share_of_nodules_whose_score_rises_with_distance():
    distance = np.tile([1.0, 2.0, 1.0], 4)
    lesion = np.repeat(["rises", "falls", "constant", "one distance"], 3)
    distance[9:] = 1.0
    score = np.array([0.1, 0.3, 0.2, 0.3, 0.1, 0.2, 0.2, 0.2, 0.2, 0.1, 0.2, 0.3])
    assert distance_share(score, distance, lesion) == (1 / 3, 3)
    order = RNG.permutation(12)
    assert distance_share(score[order], distance[order], lesion[order]) == (1 / 3, 3)
    assert distance_share(np.exp(score), distance, lesion) == (1 / 3, 3)
    share, count = distance_share(score[9:], distance[9:], lesion[9:])
    assert np.isnan(share)
    assert count == 0


def test_distances_that_differ_by_rounding_are_one():
    score, lesion = np.array([0.1, 0.2]), np.array(["a", "a"])
    assert distance_share(score, np.array([1.25, 1.2500001]), lesion)[1] == 0
    assert distance_share(np.array([0.2, 0.2 + 1e-9]), np.array([1.25, 2.5]), lesion) == (0, 1)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 3)), min_size=2, max_size=9))
def test_a_nodule_rises_where_its_correlation_is_positive(slices):
    distance, score = (np.array(values, dtype=float) for values in zip(*slices, strict=True))
    share, count = distance_share(score, distance, np.zeros(len(score)))
    if len(set(distance)) < 2:
        assert count == 0
    else:
        rises = len(set(score)) > 1 and spearmanr(score, distance).statistic > 1e-9
        assert (share, count) == (float(rises), 1)


def test_growing_gaps_of_a_short_nodule():
    assert growing_gaps(2) == []
    assert growing_gaps(3) == [GrowingGap(1, 1, (-1, 0, 2, -1))]
    assert growing_gaps(5) == [
        GrowingGap(1, 1, (-1, 0, 2, 3)),
        GrowingGap(2, 1, (0, 1, 3, 4)),
        GrowingGap(2, 2, (-1, 0, 4, -1)),
        GrowingGap(3, 1, (1, 2, 4, -1)),
    ]


@given(st.integers(0, 30))
def test_growing_gaps_are_all_there_and_upside_down_alike(slices):
    gaps = growing_gaps(slices)
    assert len(gaps) == sum(max(slices - 2 * g, 0) for g in range(1, 5))
    for gap in gaps:
        assert gap.slice - gap.kept[1] == gap.kept[2] - gap.slice == gap.g <= 4
        assert all(place == -1 or 0 <= place < slices for place in gap.kept)
    turned = {
        (slices - 1 - gap.slice, gap.g, tuple(p if p < 0 else slices - 1 - p for p in gap.kept[::-1])) for gap in gaps
    }
    assert turned == set(gaps)


def test_trend_over_growing_gaps():
    slice_id = np.array(["a"] * 4 + ["b"] * 4 + ["c"] * 2 + ["d"])
    gap_mm = np.array([2, 4, 6, 8, 8, 6, 4, 2, 2.5, 5, 3.0])
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.1, 0.1, 0.2, 0.4, 0.5, 0.9, 0.7])
    trend = gap_trend(score, gap_mm, slice_id)
    assert trend.rising == (2 / 3, 3)
    assert trend.means["g"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(trend.means["score"], [0.25, 0.2, 0.2, 0.25])
    np.testing.assert_allclose(trend.means["gap_mm"], [2, 4, 6, 8])
    assert (trend.means["n"] == 2).all()
    order = RNG.permutation(len(score))
    again = gap_trend(score[order], gap_mm[order], slice_id[order])
    assert again.rising == trend.rising
    pd.testing.assert_frame_equal(again.means, trend.means)


def test_slices_of_different_nodules_need_different_names():
    with pytest.raises(UserError, match="The slice 3 has the same gap twice"):
        gap_trend(np.array([0.1, 0.2]), np.array([2.0, 2.0]), np.array([3, 3]))


def test_no_slice_with_all_gaps_leaves_no_mean():
    trend = gap_trend(np.array([0.1, 0.2]), np.array([2.0, 4.0]), np.array([3, 3]))
    assert trend.rising == (1.0, 1)
    assert len(trend.means) == 0
    assert len(growing_gap_curve(method="a", trend=trend)) == 0
