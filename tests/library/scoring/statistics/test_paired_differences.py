"""Paired differences against scipy and scikit-learn, by hand, and their coverage on simulated patients."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from explainct.errors import UserError
from explainct.scoring.statistics.bootstrap import patient_interval
from explainct.scoring.statistics.paired_differences import (
    COLUMNS,
    average_precision_by_draw,
    mean_by_draw,
    patient_draws,
    prediction_differences,
    roc_auc_by_draw,
    value_differences,
)


def long_table(arrays, patients, metric="iou"):
    """Rows of methods' values [seeds, samples]."""
    rows = [
        (metric, method, seed, patient, f"s{number:03d}", value)
        for method, array in arrays.items()
        for seed, run in enumerate(np.atleast_2d(array))
        for number, (patient, value) in enumerate(zip(patients, run, strict=True))
    ]
    return pd.DataFrame(rows, columns=["metric", "method", "seed", "patient_id", "sample_id", "value"])


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    label, patients = rng.permutation(np.repeat([0, 1], [40, 20])), rng.integers(0, 12, 60)
    scores = {
        name: np.clip(0.5 + rng.normal(0.15 * label, 0.3, (2, 60)), 0, 1).round(1) for name in ("due", "res", "ax")
    }
    table = long_table(scores, [f"p{number}" for number in patients]).rename(columns={"value": "probability"})
    return table.drop(columns="metric").assign(label=np.tile(label, 6))


def weights_of(rng, draws, patients):
    return rng.multinomial(patients, np.full(patients, 1 / patients), size=draws).astype(float)


def test_one_value_per_patient_agrees_with_scipy():
    rng = np.random.default_rng(1)
    due = rng.random(80)
    other = due + rng.normal(0.1, 0.2, 80)
    found = value_differences(long_table({"due": due, "other": other}, range(80)), seed=3).iloc[0]
    peer = stats.bootstrap((other - due,), np.mean, n_resamples=20_000, method="percentile", rng=rng)
    assert found["difference"] == pytest.approx((other - due).mean())
    width = peer.confidence_interval.high - peer.confidence_interval.low
    assert found["low"] == pytest.approx(peer.confidence_interval.low, abs=0.06 * width)
    assert found["high"] == pytest.approx(peer.confidence_interval.high, abs=0.06 * width)


def test_one_comparison_is_the_interval_of_the_paired_values_over_patients():
    rng = np.random.default_rng(2)
    arrays, patients = {name: rng.random((3, 40)) for name in ("due", "res")}, rng.integers(0, 9, 40)
    found = value_differences(long_table(arrays, patients), seed=3).iloc[0]
    expected = patient_interval((arrays["res"] - arrays["due"]).mean(axis=0), patients, seed=3)
    assert found[["difference", "low", "high"]].tolist() == pytest.approx(list(expected))
    assert found[["low_corrected", "high_corrected"]].tolist() == found[["low", "high"]].tolist()
    assert found[["patients", "seeds", "comparisons"]].tolist() == [9, 3, 1]


def test_rows_are_sorted_and_corrected_for_the_number_of_methods():
    rng = np.random.default_rng(3)
    arrays = {name: rng.random((2, 30)) for name in ("zeta", "due", "alpha", "beta")}
    table = pd.concat([long_table(arrays, range(30), metric) for metric in ("iou", "dice")])
    found = value_differences(table, seed=0)
    assert found.columns.tolist() == COLUMNS
    assert found["metric"].tolist() == ["dice"] * 3 + ["iou"] * 3
    assert found["method"].tolist() == ["alpha", "beta", "zeta"] * 2
    assert found["comparisons"].eq(3).all()
    assert (found["low_corrected"] < found["low"]).all()
    assert (found["high_corrected"] > found["high"]).all()
    differences = (arrays["zeta"] - arrays["due"]).mean(axis=0)
    drawn = patient_draws(30, 3, seed=0)[1:] @ differences / 30
    row = found.query("metric == 'iou' and method == 'zeta'").iloc[0]
    bounds = np.percentile(drawn, [2.5, 97.5, 2.5 / 3, 100 - 2.5 / 3])
    assert row[["low", "high", "low_corrected", "high_corrected"]].tolist() == pytest.approx(bounds.tolist())


@pytest.mark.parametrize("comparisons", [1, 7])
def test_fifty_draws_lie_beyond_each_corrected_end(comparisons):
    drawn = patient_draws(5, comparisons, seed=0)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(axis=1) == 5).all()
    assert (len(drawn) - 1) * 0.025 / comparisons == pytest.approx(50)


def test_equal_methods_differ_by_exactly_zero(predictions):
    values = np.random.default_rng(4).random((3, 20))
    found = value_differences(long_table({"due": values, "twin": values}, np.arange(20) // 2), seed=0)
    due = predictions.query("method == 'due'")
    found = pd.concat([found, prediction_differences(pd.concat([due, due.assign(method="twin")]), seed=0)])
    assert len(found) == 3
    assert (found[["difference", "low", "high", "low_corrected", "high_corrected"]] == 0).all(axis=None)


def test_permuting_rows_changes_nothing(predictions):
    rng = np.random.default_rng(5)
    values = long_table({name: rng.random((2, 20)) for name in "ab"}, np.arange(20) // 3)
    for differences, table in ((value_differences, values), (prediction_differences, predictions)):
        reference = table["method"].iloc[0]
        shuffled = table.sample(frac=1, random_state=0)
        expected = differences(table, reference=reference, seed=1)
        pd.testing.assert_frame_equal(differences(shuffled, reference=reference, seed=1), expected, check_exact=True)
        assert (expected["low"] < expected["high"]).all()


def test_two_lesions_of_one_patient_count_as_one_draw():
    rng = np.random.default_rng(6)
    arrays = {name: rng.random((1, 15)) for name in ("due", "res")}
    doubled = {name: np.repeat(values, 2, axis=1) for name, values in arrays.items()}
    once = value_differences(long_table(arrays, np.arange(15)), seed=2)
    twice = value_differences(long_table(doubled, np.repeat(np.arange(15), 2)), seed=2)
    pd.testing.assert_frame_equal(once, twice)
    apart = value_differences(long_table(doubled, np.arange(30)), seed=2).iloc[0]
    assert apart["high"] - apart["low"] < 0.85 * (twice.iloc[0]["high"] - twice.iloc[0]["low"])


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, patients, covered = np.random.default_rng(7), np.repeat(np.arange(24), 2), 0
    for seed in range(200):
        due = rng.random(48)
        of_patient = np.repeat(rng.normal(0.1, 0.2, 24), 2)
        other = due + of_patient + rng.normal(0, 0.02, 48)
        row = value_differences(long_table({"due": due, "other": other}, patients), seed=seed).iloc[0]
        covered += row["low"] <= 0.1 <= row["high"]
    # Intervals that took the two lesions of a patient for independent cover 159 times.
    assert 176 <= covered <= 198


@pytest.mark.parametrize("whole", [True, False])
def test_areas_by_draw_equal_scikit_learn_with_weights(whole):
    rng = np.random.default_rng(8)
    label, owner = rng.permutation(np.repeat([0, 1], [30, 10])), rng.integers(0, 8, 40)
    score = rng.random(40).round(1)
    drawn = weights_of(rng, 1100, 8) if whole else rng.random((1100, 8)) / 10
    weights = drawn[:, owner]
    keep = np.flatnonzero((weights[:, label == 0].sum(axis=1) > 0) & (weights[:, label == 1].sum(axis=1) > 0))
    assert len(keep) > 1050
    for by_draw, peer in ((roc_auc_by_draw, roc_auc_score), (average_precision_by_draw, average_precision_score)):
        found = by_draw(label, score, owner, drawn[keep])
        for row in (0, 1, 499, 500, len(keep) - 1):
            expected = peer(label, score, sample_weight=weights[keep[row]])
            assert found[row] == pytest.approx(expected, abs=1e-12)


def test_means_by_draw_by_hand():
    found = mean_by_draw(np.array([1.0, 2.0, 6.0]), np.array([0, 0, 1]), np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]]))
    assert found.tolist() == [3, 1.5, 6]


def test_predictions_are_compared_by_scikit_learns_areas(predictions):
    found = prediction_differences(predictions, reference="res", seed=0)
    assert found["metric"].tolist() == ["average_precision"] * 2 + ["roc_auc"] * 2
    for row in found.itertuples():
        peer = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}[row.metric]
        means = {
            method: np.mean([peer(run["label"], run["probability"]) for _, run in group.groupby("seed")])
            for method, group in predictions.groupby("method")
        }
        assert row.difference == pytest.approx(means[row.method] - means["res"])
        assert row.low_corrected < row.low < row.difference < row.high < row.high_corrected


def test_draws_without_a_class_are_left_out():
    table = long_table({"due": [0.9, 0.8, 0.2], "res": [0.1, 0.8, 0.2]}, "abc").rename(columns={"value": "probability"})
    found = prediction_differences(table.assign(label=[1, 0, 0] * 2), seed=0)
    assert np.isfinite(found.select_dtypes("number")).all(axis=None)
    assert found.query("metric == 'roc_auc'")["difference"].tolist() == [-1]


def test_many_samples_take_seconds():
    rng = np.random.default_rng(9)
    label, owner, drawn = rng.integers(0, 2, 600), rng.integers(0, 150, 600), patient_draws(150, 1, seed=0)
    start = time.process_time()
    for _ in range(3):
        score = rng.random(600)
        assert len(roc_auc_by_draw(label, score, owner, drawn)) == 2001
        assert len(average_precision_by_draw(label, score, owner, drawn)) == 2001
    assert time.process_time() - start < 20


def test_bad_values_are_said_in_words():
    table = long_table({"due": np.ones((2, 4)), "res": np.zeros((2, 4))}, "aabb")
    with pytest.raises(UserError, match="due, res; expected `ax`"):
        value_differences(table, reference="ax", seed=0)
    with pytest.raises(UserError, match="at least one other"):
        value_differences(table.query("method == 'due'"), seed=0)
    for bad in (
        table.iloc[1:],
        table.assign(value=np.where(table.index == 3, np.nan, 1)),
        pd.concat([table, table[:1]]),
    ):
        with pytest.raises(UserError, match="expected 16 of `value`, one for each of 2 methods, 2 seeds and 4 samples"):
            value_differences(bad, seed=0)
    with pytest.raises(UserError, match="expected 24"):
        value_differences(table.replace({"seed": {1: 2}}).where(table["method"] == "res", table), seed=0)
    with pytest.raises(UserError, match="the patient a"):
        value_differences(table.assign(patient_id="a"), seed=0)


def test_bad_labels_are_said_in_words(predictions):
    with pytest.raises(UserError, match=r"\[1\].*expected 0 and 1"):
        prediction_differences(predictions.assign(label=1), seed=0)
    changed = predictions.assign(label=predictions["label"].where(predictions.index != 0, 1 - predictions["label"]))
    with pytest.raises(UserError, match="for 1 of 60 samples"):
        prediction_differences(changed, seed=0)
