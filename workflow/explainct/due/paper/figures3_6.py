"""Figures 3 and 6: scores over the number of training samples, and over the weight of the explanation loss."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.due.paper.table1 import summarise
from explainct.report.plot_style import RC, method_style, save_figure
from explainct.scoring.metrics.declarations import METRICS

SAMPLE_PANELS = ("accuracy", "roc_auc", "iou")
"""Metrics of the paper's Figure 3."""

LAMBDA_PANELS = ("pr_auc_trapezoid", "iou", "dice")
"""Metrics of the paper's Figure 6, with the strict F1, which is Dice, in place of the published one."""


def figure_3(
    *,
    metrics_files: Sequence[Path],
    runs: Sequence[tuple[str, int]],
    threshold: float,
    cohort: str,
    png: Path,
    pdf: Path,
) -> None:
    """Draw scores over the number of training samples: mean and standard deviation over seeds.

    Args:
        metrics_files: `metrics.parquet` of each run.
        runs: method and number of training samples of each run, in the same order.
        threshold: explanation threshold of the IoU, in [0, 1].
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    parts = [
        summarise(path, method, threshold).assign(samples=samples)
        for (method, samples), path in zip(runs, metrics_files, strict=True)
    ]
    table = pd.concat(parts)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        panels = figure.subplots(1, len(SAMPLE_PANELS))
        for axes, metric in zip(panels, SAMPLE_PANELS, strict=True):
            for method, group in table[table["metric"] == metric].groupby("method", sort=False):
                _bars(axes, group["samples"], group, **method_style(str(method)))
            axes.set(title=METRICS[metric].heading, xlabel="training samples", xticks=sorted(set(table["samples"])))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(handles), 7))
        figure.suptitle(f"Performance over the number of training samples, {cohort}")
        save_figure(figure, png, pdf)


def figure_6(
    *,
    metrics_files: Sequence[Path],
    baseline_file: Path,
    weights: Sequence[float],
    method: str,
    threshold: float,
    cohort: str,
    png: Path,
    pdf: Path,
) -> None:
    """Draw scores of one method over lambda, the weight of its explanation loss, with the plain classifier beside.

    Args:
        metrics_files: `metrics.parquet` at each lambda.
        baseline_file: `metrics.parquet` of the classifier that is trained on labels alone.
        weights: the lambdas, in the same order.
        method: the method.
        threshold: explanation threshold, in [0, 1].
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    files = zip(weights, metrics_files, strict=True)
    parts = [summarise(path, method, threshold).assign(weight=weight) for weight, path in files]
    table = pd.concat(parts).sort_values("weight", kind="stable")
    plain = summarise(baseline_file, "baseline", threshold).set_index("metric")["mean"]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        panels = figure.subplots(1, len(LAMBDA_PANELS))
        for axes, metric in zip(panels, LAMBDA_PANELS, strict=True):
            group = table[table["metric"] == metric]
            _bars(axes, group["weight"], group, **method_style(method))
            axes.axhline(plain[metric], color="#CC0000", linestyle="--", linewidth=1.2, label="Baseline")
            axes.set(title=METRICS[metric].heading, xlabel="lambda", xscale="log")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
        figure.suptitle(f"Sensitivity to the weight of the explanation loss, {cohort}")
        save_figure(figure, png, pdf)


def _bars(axes: Axes, x: pd.Series, summary: pd.DataFrame, **style: str) -> None:
    """Draw means with their standard deviations over seeds."""
    axes.errorbar(x, summary["mean"], summary["std"].fillna(0), markersize=4, linewidth=1.4, capsize=2, **style)
    axes.grid(alpha=0.3, linewidth=0.5)
