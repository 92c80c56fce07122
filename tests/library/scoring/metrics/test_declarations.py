"""Prediction metrics by hand, and what every metric says of itself."""

import numpy as np
import pytest

from explainct.scoring.metrics.declarations import (
    CURVE_METRICS,
    DISTANCE_METRICS,
    FAITHFULNESS_METRICS,
    METRICS,
    Metric,
    pr_auc_trapezoid,
    prediction_metrics,
)

ALL = {**METRICS, **DISTANCE_METRICS, **FAITHFULNESS_METRICS}


def test_every_metric_declares_itself():
    assert all(name == metric.name for name, metric in ALL.items())
    assert all(metric.label and metric.source and metric.description.endswith(".") for metric in ALL.values())
    assert len({metric.label for metric in ALL.values()}) == len(ALL)
    assert all(metric.range == ((0, np.inf) if metric.unit else (0, 1)) for metric in ALL.values())
    assert set(CURVE_METRICS) < set(METRICS)


def test_the_arrow_points_to_better_values():
    assert METRICS["iou"].heading == "IoU ↑"
    assert Metric("brier", "Brier", False, (0, 1), "Brier 1950", "Squared error.").heading == "Brier ↓"
    assert DISTANCE_METRICS["surface_distance_mm"].heading == "Surface distance (mm) ↓"
    assert [metric.heading for metric in FAITHFULNESS_METRICS.values()] == ["Deletion ↓", "Insertion ↑"]


def test_prediction_metrics_of_four_samples_by_hand():
    label, probability = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    values = prediction_metrics(label, probability, (probability > 0.5).astype(int))
    assert values["roc_auc"] == pytest.approx(3 / 4)
    assert values["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # Points (recall, precision): (0, 1), (1/2, 1), (1/2, 1/2), (1, 2/3), (1, 1/2).
    assert values["pr_auc_trapezoid"] == pytest.approx(0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2)
    assert values["accuracy"] == 3 / 4


def test_the_trapezoid_is_optimistic_where_one_probability_serves_all():
    label, probability = np.array([1] + [0] * 9), np.full(10, 0.5)
    values = prediction_metrics(label, probability, np.zeros(10, int))
    assert values["average_precision"] == pytest.approx(0.1)
    assert pr_auc_trapezoid(label, probability) == pytest.approx((1 + 0.1) / 2)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"\[1\]"):
        prediction_metrics(np.ones(3, int), np.ones(3), np.ones(3, int))
