"""Table 1 as a picture, and reliability: the numbers behind what is drawn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, roc_auc_score

from explainct.due.paper import table1_figure as dots
from explainct.due.paper.reliability_figure import calibration_error, reliability, reliability_figure
from explainct.scoring.metrics.declarations import MIDDLE_IOU


def test_seeds_have_the_metrics_of_their_predictions(run):
    patients = run.samples.set_index("sample_id")["patient_id"]
    table = pd.read_parquet(run.files["due"]["predictions.parquet"])
    for metric, score in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        seeds, low, high = dots.seeds_and_interval(table, metric, patients, seed=0)
        expected = [score(group["label"], group["probability"]) for _, group in table.groupby("seed")]
        np.testing.assert_allclose(seeds, expected)
        assert low <= np.mean(seeds) <= high
    single = pd.read_parquet(run.files["due"]["lesions.parquet"])
    seeds, low, high = dots.seeds_and_interval(single, MIDDLE_IOU, patients, seed=0)
    expected = single[single["metric"] == MIDDLE_IOU].groupby("seed")["value"].mean()
    np.testing.assert_allclose(seeds, expected)
    assert low <= seeds.mean() <= high


def test_methods_of_two_dimensions_have_no_iou_of_the_volume(run, monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(dots, "save_figure", lambda figure, *paths: figures.append(figure))
    files = {"due": run.files["due"], "gradia": run.files["baseline"]}
    dots.table1_figure(
        samples_file=run.samples_file,
        predictions_files=[own["predictions.parquet"] for own in files.values()],
        lesions_files=[own["lesions.parquet"] for own in files.values()],
        methods=list(files),
        seed=0,
        cohort="made-up cohort",
        png=tmp_path / "a.png",
        pdf=tmp_path / "a.pdf",
    )
    rows = [len(axes.collections) for axes in figures[0].axes]
    assert rows == [2, 2, 2, 1]
    assert [label.get_text() for label in figures[0].axes[0].get_yticklabels()] == ["DUE", "GRADIA"]


def test_reliability_is_scikit_learns_and_its_error_by_hand():
    generator = np.random.default_rng(0)
    probability = generator.random(400)
    label = (generator.random(400) < probability**2).astype(int)
    bins = reliability(label, probability)
    share, mean = calibration_curve(label, probability, n_bins=10)
    np.testing.assert_allclose(bins["share"], share)
    np.testing.assert_allclose(bins["probability"], mean)
    assert bins["count"].sum() == 400
    bounds = np.minimum((10 * probability).astype(int), 9)
    expected = sum(
        (bounds == n).mean() * abs(label[bounds == n].mean() - probability[bounds == n].mean()) for n in range(10)
    )
    assert calibration_error(bins) == pytest.approx(expected)
    assert reliability(np.array([1, 0]), np.array([1.0, 0.0]))["share"].tolist() == [0, 1]


def test_the_picture_of_reliability_is_written_the_same_each_time(run, tmp_path):
    files = [own["predictions.parquet"] for own in run.files.values()]
    for name in ("one", "two"):
        reliability_figure(
            predictions_files=files,
            methods=list(run.files),
            cohort="made-up",
            png=tmp_path / f"{name}.png",
            pdf=tmp_path / f"{name}.pdf",
        )
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()
