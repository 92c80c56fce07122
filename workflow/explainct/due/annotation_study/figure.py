"""The annotation study as a picture: agreement and accuracy over the number of outlined slices."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.due.annotation_study.markdown import OUTLINES
from explainct.report.plot_style import RC, method_style, save_figure
from explainct.scoring.metrics.declarations import METRICS

WIDTH = 0.6
"""Share of the space between two numbers of slices that the methods' markers take."""


def annotation_figure(*, scores_file: Path, cohort: str, png: Path, pdf: Path) -> None:
    """Draw each method's scores over the number of outlined slices, with intervals over patients.

    Args:
        scores_file: the table that `explainct.due.annotation_study.compare.compare_annotations` wrote.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    table = pd.read_csv(scores_file, dtype={"slices": str})
    metrics, outlines = table["metric"].unique(), table["outlines"].unique()
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 0.9 + 2.7 * len(metrics)), layout="constrained")
        panels = figure.subplots(len(metrics), len(outlines), sharex=True, sharey="row", squeeze=False)
        for metric, row in zip(metrics, panels, strict=True):
            for whose, axes in zip(outlines, row, strict=True):
                _panel(axes, table[(table["metric"] == metric) & (table["outlines"] == whose)])
            row[0].set_ylabel(METRICS[metric].heading)
        for whose, top, bottom in zip(outlines, panels[0], panels[-1], strict=True):
            top.set_title(f"outlines: {OUTLINES[whose]}")
            bottom.set_xlabel("outlined slices of a training lesion")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        figure.suptitle(f"Agreement and accuracy over outlined slices, {cohort}; bars: 95 % interval over patients")
        save_figure(figure, png, pdf)


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    """Draw one score of all methods side by side at each number of slices."""
    methods, slices = table["method"].unique(), list(table["slices"].unique())
    for number, method in enumerate(methods):
        rows = table[table["method"] == method]
        x = [slices.index(count) + WIDTH * ((number + 0.5) / len(methods) - 0.5) for count in rows["slices"]]
        bars = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
        axes.errorbar(x, rows["mean"], yerr=bars, markersize=5, linewidth=1, capsize=2, **method_style(method))
    axes.set_xticks(range(len(slices)), slices)
    axes.grid(axis="y", alpha=0.3, linewidth=0.5)
