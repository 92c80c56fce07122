"""What the uncertainty of pixels knows: known cases, best and useless uncertainty, ties, and slower ways."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from explainct.due.uncertainty.variance_to_weight import MAPPINGS
from explainct.errors import UserError
from explainct.scoring.metrics.calibration import (
    BINS,
    calibration_error,
    reliability,
    risk_area,
    risk_coverage,
    weights_rank_errors,
)
from explainct.scoring.metrics.selective import COVERAGES

RNG = np.random.default_rng(0)

pixels = st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.1, 0.2, 0.25]), st.booleans()), min_size=1, max_size=6)


def test_reliability_of_known_pixels():
    table = reliability(np.array([0.0, 0.04, 0.31, 0.39, 0.92, 1.0]), np.array([0, 1, 0, 1, 1, 1]))
    np.testing.assert_allclose(table["predicted"], [0.02, 0.35, 0.96])
    np.testing.assert_allclose(table["inside"], [0.5, 0.5, 1.0])
    assert table["n"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_reliability_is_what_the_calibration_error_sums(kind):
    probability = RNG.random(500).astype(kind)
    truth = RNG.random(500) < probability**2
    table = reliability(probability, truth)
    summed = (table["n"] * (table["predicted"] - table["inside"]).abs()).sum() / table["n"].sum()
    assert summed == pytest.approx(calibration_error(probability, truth), abs=1e-3 if kind == np.float16 else 1e-6)
    assert len(table) <= BINS
    assert table["n"].sum() == 500


def test_the_best_order_has_no_excess_and_the_worst_has_the_most():
    error = np.arange(200) >= 150
    rising = np.linspace(0, 0.25, 200)
    assert risk_area(rising, error).excess == pytest.approx(0, abs=1e-12)
    curve = risk_coverage(rising, error)
    assert (curve.loc[curve["coverage"] <= 0.75, "risk"] == 0).all()
    assert curve["risk"].iloc[-1] == pytest.approx(0.25)
    useless, worst = risk_area(np.full(200, 0.1), error), risk_area(rising[::-1], error)
    assert 0 < useless.excess < worst.excess


def test_an_uncertainty_that_knows_nothing_has_the_same_risk_everywhere():
    error = RNG.random(1000) < 0.3
    curve = risk_coverage(np.full(1000, 0.1), error)
    np.testing.assert_allclose(curve["risk"], error.mean())
    assert len(curve) == COVERAGES
    np.testing.assert_allclose(curve["coverage"], np.arange(1, COVERAGES + 1) / COVERAGES)
    np.testing.assert_allclose(curve["n"], curve["coverage"] * 1000)
    assert risk_area(np.full(1000, 0.1), error).area == pytest.approx(error.mean())
    order = RNG.permutation(1000) / 4000
    np.testing.assert_allclose(risk_coverage(order, error)["risk"].iloc[10:], error.mean(), atol=0.08)


@given(pixels)
def test_ties_count_as_the_mean_over_all_their_orders(drawn):
    variance, error = np.array([v for v, _ in drawn]), np.array([e for _, e in drawn])
    orders = [list(order) for order in permutations(range(len(drawn))) if (np.diff(variance[list(order)]) >= 0).all()]
    curves = [np.cumsum(error[order]) / np.arange(1, len(drawn) + 1) for order in orders]
    expected = np.mean(curves, axis=0)
    np.testing.assert_allclose(risk_coverage(variance, error)["risk"], expected, atol=1e-12)
    area = risk_area(variance, error)
    assert area.area == pytest.approx(expected.mean())
    assert area.excess >= -1e-12


def test_rounding_errors_are_ties():
    probability = np.array([1 / 3, 2 / 3, 0.1, 0.9], dtype=np.float32)
    variance = probability * (1 - probability)
    assert len(np.unique(variance)) > 2
    for errors in ([True, False, True, False], [False, True, False, True]):
        np.testing.assert_allclose(risk_coverage(variance, np.array(errors))["risk"], 0.5)


def test_half_precision_is_ordered_like_double():
    variance = np.linspace(0, 0.25, 40).astype(np.float16)
    error = RNG.random(40) < 0.4
    pd.testing.assert_frame_equal(risk_coverage(variance, error), risk_coverage(variance.astype(float), error))


def test_weights_rank_errors_like_the_auroc_of_their_complement():
    weight, error = np.round(RNG.random(300), 2), RNG.random(300) < 0.3
    assert weights_rank_errors(weight, error) == pytest.approx(roc_auc_score(error, 1 - weight))
    assert weights_rank_errors(1.0 - error, error) == 1
    assert weights_rank_errors(error.astype(float), error) == 0
    assert weights_rank_errors(np.ones(300), error) == 0.5
    assert np.isnan(weights_rank_errors(weight, np.zeros(300, dtype=bool)))
    with pytest.raises(UserError, match="`weight`"):
        weights_rank_errors(weight + 1, error)


def test_over_all_gaps_only_the_absolute_mapping_keeps_the_order():
    variance = np.concatenate([RNG.random(200) * top for top in (0.25, 0.01, 0.05)])
    error = RNG.random(600) < 4 * variance
    weights = {
        name: np.concatenate([mapping(part) for part in np.split(variance, 3)]) for name, mapping in MAPPINGS.items()
    }
    assert weights_rank_errors(weights["absolute"], error) == pytest.approx(roc_auc_score(error, variance))
    assert weights_rank_errors(weights["published"], error) < weights_rank_errors(weights["absolute"], error) - 0.05
