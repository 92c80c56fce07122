"""Explanation metrics against scikit-learn, brute force and each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from explainct.scoring.metrics.declarations import CURVE_THRESHOLDS, EXPLANATION_METRICS, MIDDLE_IOU
from explainct.scoring.metrics.overlap import threshold_metrics, whole_map_metrics

SHAPE = (3, 4, 5)
MAPS = hnp.arrays(np.float32, SHAPE, elements=st.sampled_from([0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9, 1]))
TRUTHS = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 1)).filter(np.any)


def at_half(explanation, truth):
    return {name: values[0] for name, values in threshold_metrics(explanation, truth, [0.5]).items()}


@given(MAPS, TRUTHS, st.sampled_from(range(10)))
@settings(max_examples=40, deadline=None)
def test_strict_metrics_equal_scikit_learn_at_every_threshold(explanation, truth, number):
    curves = threshold_metrics(explanation, truth, CURVE_THRESHOLDS)
    pair = truth.ravel(), (explanation.astype(float) > CURVE_THRESHOLDS[number]).ravel()
    assert curves["iou"][number] == pytest.approx(jaccard_score(*pair, zero_division=0))
    assert curves["precision"][number] == pytest.approx(precision_score(*pair, zero_division=0))
    assert curves["recall"][number] == pytest.approx(recall_score(*pair))
    assert curves["dice"][number] == pytest.approx(f1_score(*pair, zero_division=0))


@given(MAPS, TRUTHS)
@settings(max_examples=50, deadline=None)
def test_curves_equal_one_pass_per_threshold(explanation, truth):
    curves = threshold_metrics(explanation, truth, CURVE_THRESHOLDS)
    for number, threshold in enumerate(CURVE_THRESHOLDS):
        attended, inside = explanation.astype(float) > threshold, truth > 0
        hit = np.sum(attended & inside)
        assert curves["iou"][number] == pytest.approx(hit / np.sum(attended | inside))
        assert curves["recall"][number] == pytest.approx(hit / inside.sum())
        assert curves["hit_rate"][number] == float(hit > 0)


@given(MAPS, TRUTHS)
@settings(max_examples=100, deadline=None)
def test_identities_between_metrics(explanation, truth):
    values = at_half(explanation, truth)
    assert values["dice"] == pytest.approx(2 * values["iou"] / (1 + values["iou"]))
    assert values["hit_rate"] == float(values["recall"] > 0)
    precision, recall = values["hit_rate"], values["recall"]
    harmonic = 2 * precision * recall / (precision + recall) if precision else 0
    assert values["published_f1"] == pytest.approx(harmonic)
    assert values["published_f1"] >= values["dice"] - 1e-12
    everything = {**values, **whole_map_metrics(explanation, truth)}
    assert set(everything) == set(EXPLANATION_METRICS) - {MIDDLE_IOU}
    ranges = {name: EXPLANATION_METRICS[name].range for name in everything}
    assert all(low <= everything[name] <= high for name, (low, high) in ranges.items())


@given(MAPS, TRUTHS)
@settings(max_examples=50, deadline=None)
def test_recall_and_hits_fall_as_the_threshold_rises(explanation, truth):
    curves = threshold_metrics(explanation, truth, CURVE_THRESHOLDS)
    assert (np.diff(curves["recall"]) <= 0).all()
    assert (np.diff(curves["hit_rate"]) <= 0).all()


@given(MAPS, TRUTHS)
@settings(max_examples=50, deadline=None)
def test_whole_map_metrics_equal_plain_sums(explanation, truth):
    values = whole_map_metrics(explanation, truth)
    pairs = list(zip(explanation.ravel().tolist(), truth.ravel().tolist(), strict=True))
    total = sum(value for value, _ in pairs)
    if total == 0:
        assert values["pointing"] == values["mass_inside"] == 0
    else:
        assert values["mass_inside"] == pytest.approx(sum(value for value, inside in pairs if inside) / total)
        assert values["pointing"] == max(pairs, key=lambda pair: pair[0])[1]


@given(MAPS, TRUTHS)
@settings(max_examples=50, deadline=None)
def test_voxel_average_precision_is_precision_weighted_by_the_recall_gained(explanation, truth):
    expected, found = 0, 0
    for value in sorted(set(explanation.ravel().tolist()), reverse=True):
        attended = explanation >= np.float32(value)
        recall = truth[attended].sum() / truth.sum()
        expected, found = expected + (recall - found) * truth[attended].mean(), recall
    assert whole_map_metrics(explanation, truth)["voxel_average_precision"] == pytest.approx(expected)


@pytest.mark.parametrize("value", [0, 0.4, 1])
def test_voxel_average_precision_of_a_constant_map_is_that_of_chance(value):
    truth = np.zeros(SHAPE, np.uint8)
    truth[1, 1:3] = 1
    values = whole_map_metrics(np.full(SHAPE, value, np.float32), truth)
    assert values["voxel_average_precision"] == pytest.approx(truth.mean())


def test_published_precision_and_f1_are_perfect_for_a_map_of_ones():
    truth = np.zeros((4, 8, 8), np.uint8)
    truth[1:3, 2:4, 2:5] = 1
    values = at_half(np.ones(truth.shape, np.float32), truth)
    assert values["hit_rate"] == values["recall"] == values["published_f1"] == 1
    assert values["precision"] == values["iou"] == pytest.approx(truth.mean())


def test_an_empty_map_scores_zero():
    truth = np.ones(SHAPE, np.uint8)
    assert set(at_half(np.zeros(SHAPE), truth).values()) == {0}


def test_the_exact_annotation_scores_one():
    truth = np.zeros(SHAPE, np.uint8)
    truth[1, 1:3] = 1
    values = {**at_half(truth.astype(float), truth), **whole_map_metrics(truth.astype(float), truth)}
    assert set(values.values()) == {1}


def test_the_first_of_equal_maxima_decides_pointing():
    explanation = np.array([[[1.0, 1.0, 0.5]]])
    assert whole_map_metrics(explanation, np.array([[[1, 0, 0]]]))["pointing"] == 1
    assert whole_map_metrics(explanation, np.array([[[0, 1, 1]]]))["pointing"] == 0


@pytest.mark.parametrize(
    ("explanation", "truth", "message"),
    [
        (np.ones((1, 2, 2)), np.ones((1, 2, 3)), "shape"),
        (np.ones((1, 2, 2)), np.zeros((1, 2, 2)), "at least one 1"),
        (np.ones((1, 2, 2)), np.full((1, 2, 2), 2), "expected 0 and 1"),
        (np.ones((1, 2, 2)), np.full((1, 2, 2), -1), "expected 0 and 1"),
        (np.full((1, 2, 2), 1.5), np.ones((1, 2, 2)), "1.5"),
        (np.full((1, 2, 2), np.nan), np.ones((1, 2, 2)), "nan"),
    ],
)
def test_bad_maps_and_annotations_are_refused(explanation, truth, message):
    with pytest.raises(ValueError, match=message):
        threshold_metrics(explanation, truth, [0.5])
    with pytest.raises(ValueError, match=message):
        whole_map_metrics(explanation, truth)


def test_thresholds_must_rise():
    with pytest.raises(ValueError, match="rise"):
        threshold_metrics(np.ones(SHAPE), np.ones(SHAPE), [0.5, 0.5])
