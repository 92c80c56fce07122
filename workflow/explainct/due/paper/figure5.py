"""Figure 5: agreement of explanations with annotations over the threshold."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.report.plot_style import RC, method_style, save_figure
from explainct.scoring.metrics.declarations import CURVE_THRESHOLDS, METRICS

PANELS = ("iou", "dice", "published_f1")


def figure_5(*, metrics_files: Sequence[Path], methods: Sequence[str], cohort: str, png: Path, pdf: Path) -> None:
    """Draw IoU, Dice and published F1 over the thresholds 0 to 0.9: mean line and standard deviation over seeds.

    Args:
        metrics_files: `metrics.parquet` of each method.
        methods: the methods, in the same order.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for method, path in zip(methods, metrics_files, strict=True):
            table = pd.read_parquet(path)
            for axes, metric in zip(panels, PANELS, strict=True):
                _curve(axes, table[(table["metric"] == metric) & (table["explained_class"] == "predicted")], method)
        for axes, metric in zip(panels, PANELS, strict=True):
            axes.set(title=METRICS[metric].heading, xlabel="threshold of the map", xlim=(0, 0.9), ylim=(0, 1))
            axes.set_xticks([0, 0.3, 0.6, 0.9])
            axes.grid(alpha=0.3, linewidth=0.5)
        panels[0].set_ylabel("mean over test lesions")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(handles), 7))
        figure.suptitle(f"Explanations over the threshold, {cohort}")
        save_figure(figure, png, pdf)


def _curve(axes: Axes, table: pd.DataFrame, method: str) -> None:
    """Draw one method's mean line, and its band where there are several seeds."""
    groups = table[table["threshold"].isin(CURVE_THRESHOLDS)].groupby("threshold")["value"]
    mean, std = groups.mean(), groups.std().fillna(0.0)
    style = method_style(method)
    axes.plot(mean.index, mean, markersize=3.5, linewidth=1.5, clip_on=False, **style)
    axes.fill_between(mean.index, mean - std, mean + std, color=style["color"], alpha=0.18, linewidth=0)
