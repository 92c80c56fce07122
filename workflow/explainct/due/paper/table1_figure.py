"""Table 1 as a picture: every seed, the mean, and the interval that other patients would give."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from explainct.config.methods import METHODS
from explainct.report.plot_style import RC, method_style, save_figure
from explainct.scoring.metrics.declarations import METRICS, MIDDLE_IOU
from explainct.scoring.statistics.paired_differences import (
    average_precision_by_draw,
    mean_by_draw,
    patient_draws,
    roc_auc_by_draw,
)

OF_LESIONS = (MIDDLE_IOU, "iou")
PANELS = ("roc_auc", "average_precision", *OF_LESIONS)

ByDraw = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From values [N], their patients [N] and draws of patients [R, P] to the metric of each draw [R]."""


def table1_figure(
    *,
    samples_file: Path,
    predictions_files: Sequence[Path],
    lesions_files: Sequence[Path],
    methods: Sequence[str],
    seed: int,
    cohort: str,
    png: Path,
    pdf: Path,
) -> None:
    """Draw a row per method: dots are seeds, the marker is their mean, the bar its 95 % interval over patients.

    The IoU of the whole volume is left out for methods that see the middle slice alone.

    Args:
        samples_file: the table `samples.parquet`, which says whose each sample is.
        predictions_files: `predictions.parquet` of each method.
        lesions_files: `lesions.parquet` of each method.
        methods: the methods, in the same order.
        seed: seed of the bootstrap.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    patients = pd.read_parquet(samples_file).set_index("sample_id")["patient_id"]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9.2, 0.32 * len(methods) + 1.5), layout="constrained")
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, metric in zip(panels, PANELS, strict=True):
            for row, method in enumerate(methods):
                if metric == "iou" and METHODS[method].dims == 2:
                    continue
                file = (lesions_files if metric in OF_LESIONS else predictions_files)[row]
                seeds, low, high = seeds_and_interval(pd.read_parquet(file), metric, patients, seed=seed)
                style = method_style(method)
                axes.hlines(row, low, high, color=style["color"], linewidth=1.5)
                axes.plot(np.mean(seeds), row, color=style["color"], marker=style["marker"], markersize=5)
                axes.plot(seeds, [row] * len(seeds), ".", color="0.35", markersize=3, zorder=3)
            axes.set_title(METRICS[metric].heading)
            axes.grid(axis="x", alpha=0.3, linewidth=0.5)
        labels = [method_style(method)["label"] for method in methods]
        panels[0].set(yticks=range(len(methods)), yticklabels=labels, ylim=(len(methods) - 0.5, -0.5))
        figure.suptitle(f"Table 1, {cohort}; dots: seeds, bars: 95 % interval of their mean over patients")
        save_figure(figure, png, pdf)


def seeds_and_interval(
    table: pd.DataFrame, metric: str, patients: pd.Series, *, seed: int
) -> tuple[np.ndarray, float, float]:
    """Return a metric of each seed [S], and the 95 % interval of their mean by bootstrap over patients.

    Args:
        table: rows of `predictions.parquet`, or of `lesions.parquet` for a metric of lesions.
        metric: one of `PANELS`.
        patients: patient by sample id.
        seed: seed of the draws.
    """
    if metric in OF_LESIONS:
        table = table[table["metric"] == metric].dropna(subset="value")
    groups = [group.sort_values("sample_id") for _, group in table.groupby("seed")]
    owner, names = pd.factorize(groups[0]["sample_id"].map(patients), sort=True)
    drawn = patient_draws(len(names), 1, seed=seed)
    if metric in OF_LESIONS:
        by_draw: ByDraw = mean_by_draw
        values = [group["value"].to_numpy(float) for group in groups]
    else:
        label = groups[0]["label"].to_numpy()
        by_draw = partial({"roc_auc": roc_auc_by_draw, "average_precision": average_precision_by_draw}[metric], label)
        values = [group["probability"].to_numpy(float) for group in groups]
        counts = [np.bincount(owner, label == value, minlength=len(names)) for value in (0, 1)]
        # A draw without one of the classes has no curve.
        drawn = drawn[np.all([drawn @ count > 0 for count in counts], axis=0)]
    scores = np.stack([by_draw(part, owner, drawn) for part in values])
    low, high = np.quantile(scores[:, 1:].mean(0), [0.025, 0.975])
    return scores[:, 0], float(low), float(high)
