"""Figures 3 and 6: what is drawn where."""

import numpy as np
import pandas as pd
import pytest

from explainct.due.paper import figures3_6 as sweeps
from explainct.due.paper.table1 import summarise


@pytest.fixture
def drawn(monkeypatch):
    """Return the figures that are drawn, instead of writing them."""
    figures = []
    monkeypatch.setattr(sweeps, "save_figure", lambda figure, *paths: figures.append(figure))
    return figures


def line_of(axes, label):
    """Return x, mean and standard deviation of a curve."""
    bars = next(container for container in axes.containers if container.get_label() == label)
    line, _, (segments,) = bars
    ends = np.array(segments.get_segments())[:, :, 1]
    return line.get_xdata(orig=False), line.get_ydata(orig=False), (ends[:, 1] - ends[:, 0]) / 2


def test_figure_3_shows_mean_and_deviation_at_each_number_of_samples(run, drawn, tmp_path):
    files = {
        ("baseline", 20): run.metrics["baseline"],
        ("baseline", 50): run.metrics["due"],
        ("due", 20): run.metrics["due"],
    }
    runs = {"runs": list(files), "metrics_files": list(files.values())}
    sweeps.figure_3(**runs, threshold=0.5, cohort="made-up cohort", png=tmp_path / "a", pdf=tmp_path / "b")
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == ["Accuracy ↑", "ROC-AUC ↑", "IoU ↑"]
    for axes, metric in zip(panels, sweeps.SAMPLE_PANELS, strict=True):
        x, mean, deviation = line_of(axes, "Baseline")
        assert list(x) == [20, 50]
        expected = [summarise(files["baseline", n], "baseline", 0.5).set_index("metric").loc[metric] for n in (20, 50)]
        np.testing.assert_allclose(mean, [row["mean"] for row in expected])
        np.testing.assert_allclose(deviation, [row["std"] for row in expected], atol=1e-12)
        assert list(line_of(axes, "DUE")[0]) == [20]


def test_figure_6_is_sorted_by_weight_and_shows_the_baseline(run, drawn, tmp_path):
    files = {10.0: run.metrics["due"], 0.1: run.metrics["baseline_plus"]}
    arguments = {"method": "due", "baseline_file": run.metrics["baseline"], "threshold": 0.5, "cohort": "made-up"}
    runs = {"weights": list(files), "metrics_files": list(files.values())}
    sweeps.figure_6(**runs, **arguments, png=tmp_path / "a", pdf=tmp_path / "b")
    axes = drawn[0].axes[sweeps.LAMBDA_PANELS.index("iou")]
    x, mean, _ = line_of(axes, "DUE")
    means = {weight: summarise(path, "due", 0.5).set_index("metric")["mean"]["iou"] for weight, path in files.items()}
    assert list(x) == [0.1, 10.0]
    np.testing.assert_allclose(mean, [means[0.1], means[10.0]])
    plain = next(line for line in axes.lines if line.get_label() == "Baseline")
    table = pd.read_parquet(run.metrics["baseline"]).query(
        "metric == 'iou' and threshold == 0.5 and explained_class == 'predicted'"
    )
    assert plain.get_ydata()[0] == pytest.approx(table["value"].mean())
    assert axes.get_xscale() == "log"


def test_pictures_have_the_same_bytes_each_time(run, tmp_path):
    for name in ("first", "again"):
        sweeps.figure_3(
            metrics_files=[run.metrics["due"]],
            runs=[["due", 20]],
            threshold=0.5,
            cohort="made-up cohort",
            png=tmp_path / f"{name}.png",
            pdf=tmp_path / f"{name}.pdf",
        )
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "again.pdf").read_bytes()
