"""Calibration on validation samples, the threshold of largest expected F1, and the alarm made of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from explainct.errors import UserError
from explainct.scoring.metrics.calibrated_risk import (
    decision_risk,
    expected_f1_threshold,
    fit_alarm,
    fit_platt,
)
from explainct.scoring.metrics.selective import risk_at, selective_area, selective_risk


def test_overconfident_logits_are_calibrated():
    rng = np.random.default_rng(0)
    truth = rng.normal(-0.5, 1.5, 4000)
    label = (rng.random(4000) < expit(truth)).astype(int)
    found = fit_platt(3 * truth + 2, label).probability(3 * truth + 2)
    assert np.abs(found - expit(truth)).mean() < 0.02


def test_labels_of_one_class_give_a_constant():
    assert fit_platt(np.array([1.0, 2.0, 3.0]), np.zeros(3, int)).probability(np.array([-9.0, 9.0])) == pytest.approx(
        0.2
    )
    assert fit_platt(np.full(4, 2.0), np.array([0, 1, 0, 1])).probability(np.array([2.0])) == pytest.approx(0.5)


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(UserError, match="1 of 2 logits"):
        fit_platt(np.array([np.nan, 1.0]), np.array([0, 1]))
    with pytest.raises(UserError, match="0 of 0 logits"):
        fit_platt(np.array([]), np.array([]))


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=30))
def test_the_threshold_has_the_largest_expected_f1(values):
    q = np.array(values)

    def expected(threshold):
        called = q >= threshold
        return 2 * q[called].sum() / (called.sum() + q.sum()) if called.any() else 0.0

    assert expected(expected_f1_threshold(q)) == pytest.approx(max(map(expected, q)))


def test_the_risk_of_a_decision_is_the_probability_of_the_other_class():
    np.testing.assert_allclose(decision_risk(np.array([0.9, 0.9]), np.array([1, 0])), [0.1, 0.9])


@pytest.mark.parametrize("classes", [2, 3])
def test_an_alarm_doubts_the_asked_share_of_validation_samples_and_ranks_errors(classes):
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (600, classes))
    true = expit(logits) / expit(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(classes, p=row) for row in true])
    probabilities = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    given_ = probabilities[:, 1:] if classes == 2 else probabilities
    predicted = probabilities.argmax(1)
    alarm = fit_alarm(given_, labels, predicted, abstain=0.2)
    risk = alarm.risk(given_, predicted)
    assert ((risk >= 0) & (risk <= 1)).all()
    assert alarm.alarms(risk).mean() == pytest.approx(0.2, abs=0.01)
    wrong = predicted != labels
    assert risk.mean() == pytest.approx(wrong.mean(), abs=0.05)
    assert wrong[alarm.alarms(risk)].mean() > wrong[~alarm.alarms(risk)].mean() + 0.1


def test_abstaining_counts_ties_in_random_order():
    error = np.array([True, False, False, True])
    curve = selective_risk(np.zeros(4), error)
    np.testing.assert_allclose(curve["risk"], 0.5)
    assert risk_at(np.arange(4.0), error, 0.5) == pytest.approx(0.5)
    assert selective_area(np.array([9.0, 1.0, 2.0, 8.0]), error).excess == pytest.approx(0)
