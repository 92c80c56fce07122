"""What the uncertainty of filled slices knows, as a picture: calibration, ranking of errors, growth with distance."""

from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.due.interpolation_study.slice_uncertainty import REFERENCES
from explainct.due.interpolation_study.uncertainty_curves import COLUMNS
from explainct.due.paper.interpolation_figure import COLORS, TUNED
from explainct.errors import UserError
from explainct.report.plot_style import RC, save_figure

OTHER_COLORS = ("#F0E442", "#117733", "#DDCC77", "#661100")
"""Colours for methods that have none of their own, in their order."""

LINE = {"linewidth": 1, "markersize": 3}
SMALL = 7
"""Size of the type in the legend of correlations."""


def uncertainty_figure(*, table_file: Path, png: Path, pdf: Path) -> None:
    """Draw reliability, risk over coverage, error over score, and score over distance, of all methods.

    All but the growing gaps are of the largest distance d between kept slices in the table, where hidden slices of a
    nodule differ most in their distance to kept ones.

    Args:
        table_file: the table `uncertainty_curves.csv` of the study, see `interpolation_study.uncertainty_curves`.
        png: picture for the report.
        pdf: picture for a paper.

    Raises:
        UserError: the table lacks a column, or holds no curve of hidden slices.
    """
    table = pd.read_csv(table_file)
    every = _widest(table, table_file)
    styles = _styles(list(dict.fromkeys(table["method"])))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9.4, 7.2), layout="constrained")
        (reliability, risk), (error, distance) = figure.subplots(2, 2)
        shown = table[table["every"] == every]
        _lines(reliability, shown, "reliability", styles, marker="o")
        reliability.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=0.8, zorder=0)
        reliability.set(xlabel="predicted probability", ylabel="share inside", title="reliability")
        _lines(risk, shown, "risk_coverage", styles)
        risk.set(
            xlabel="coverage, most certain pixels first", ylabel="share of wrong pixels", title="risk and coverage"
        )
        risk.set_ylim(bottom=0)
        _errors(error, shown, styles)
        error.set(xlabel="uncertainty of a slice", ylabel="1 - Dice", title="error of slices; bars: middle half")
        _lines(distance, shown, "distance", styles, marker="o")
        _lines(distance, table, "growing_gap", styles, marker="s", linestyle=":", markerfacecolor="white")
        distance.set(
            xlabel="distance to the nearest kept slice (mm)",
            ylabel="mean uncertainty of a slice",
            title="circles: all slices; squares: the same slices, gap grows",
        )
        for axes in figure.axes:
            axes.grid(alpha=0.3, linewidth=0.5)
        figure.legend(*reliability.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.suptitle(f"Hidden slices of LIDC nodules, test patients, one slice in {every} kept")
        save_figure(figure, png, pdf)


def _widest(table: pd.DataFrame, table_file: Path) -> int:
    """Return the largest distance between kept slices of a table that can be drawn."""
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(
            f"{table_file} has the columns {list(table)}; {missing} were expected too. Repeat the study that writes it."
        )
    every = table.loc[table["curve"] == "reliability", "every"]
    if every.empty:
        raise UserError(
            f"{table_file} holds the curves {sorted(set(table['curve']))}; `reliability` was expected too. "
            "Repeat the study that writes it."
        )
    return int(every.max())


def _styles(methods: list[str]) -> dict[str, dict[str, Any]]:
    """Return colour and line of each method; a tuned method has the colour of its plain form, which is dashed."""
    plain = list(dict.fromkeys(method.removesuffix(TUNED) for method in methods))
    others = [method for method in plain if method not in COLORS]
    colors = COLORS | dict(zip(others, cycle(OTHER_COLORS), strict=False))
    return {
        method: {
            "color": colors[method.removesuffix(TUNED)],
            "linestyle": "--" if method + TUNED in methods else "-",
            "label": method.replace("_", " ").replace(" tuned", ", tuned"),
        }
        for method in methods
    }


def _lines(axes: Axes, table: pd.DataFrame, curve: str, styles: dict[str, dict[str, Any]], **options: Any) -> None:
    """Draw a curve of each method that has it."""
    for method, rows in table[table["curve"] == curve].groupby("method", sort=False):
        axes.plot(rows["x"], rows["y"], **(LINE | styles[method] | options))


def _errors(axes: Axes, table: pd.DataFrame, styles: dict[str, dict[str, Any]]) -> None:
    """Draw mean error over uncertainty with the middle half of errors, and the rank correlations as a legend."""
    for method, rows in table[table["curve"] == "score_error"].groupby("method", sort=False):
        known = table[table["method"] == method].set_index("curve")["y"]
        ranks = [known.get(f"spearman_{name}") for name in ("score", *REFERENCES)]
        label = "   ".join("none" if pd.isna(rank) else f"{rank:.2f}" for rank in ranks)
        axes.plot(rows["x"], rows["y"], **(LINE | styles[method] | {"marker": "o", "label": label}))
        # Not as error bars, since the mean of a few large errors can lie above their middle half.
        axes.vlines(rows["x"], rows["low"], rows["high"], color=styles[method]["color"], linewidth=0.5)
    title = "Spearman with the error:\nown score, size,\nreaders' disagreement"
    axes.legend(title=title, fontsize=SMALL, title_fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5))
