"""The study of slice interpolation as a picture: overlap with the hidden slices over the distance between kept ones."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainct.report.plot_style import RC, save_figure

# Okabe and Ito's colours, and a few of Tol's; a tuned method has the colour of its plain form, and a filled marker.
COLORS = {
    "nearest": "#000000",
    "linear": "#999999",
    "signed_distance": "#0072B2",
    "centroid_aligned": "#D55E00",
    "cubic_spline": "#009E73",
    "morphological": "#882255",
    "morphological_filled": "#AA4499",
    "regression": "#CC79A7",
    "diffusion": "#56B4E9",
    "diffusion_one_reader": "#44AA99",
    "diffusion_draws": "#332288",
    "uncertainty": "#E69F00",
}
TUNED = "_tuned"
WIDTH = 0.6
"""Share of the space between two distances that the methods' markers take."""


def interpolation_figure(*, table_file: Path, png: Path, pdf: Path) -> None:
    """Draw mean Dice of each method, and its difference to the tuned signed distance, with intervals over patients.

    Args:
        table_file: the table `interpolation.csv` of the study.
        png: picture for the report.
        pdf: picture for a paper.
    """
    table = pd.read_csv(table_file)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, quantity, label in zip(
            panels, ("dice", "gain"), ("mean Dice", "gain over signed distance, tuned"), strict=True
        ):
            _panel(axes, table, quantity)
            axes.set(xlabel="every d-th slice kept", ylabel=label, xticks=sorted(table["every"].unique()))
            axes.grid(axis="y", alpha=0.3, linewidth=0.5)
        panels[1].axhline(0, color="black", linewidth=0.8)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.suptitle("Hidden slices of LIDC nodules, test patients; bars: 95 % interval over patients")
        save_figure(figure, png, pdf)


def _panel(axes: Axes, table: pd.DataFrame, quantity: str) -> None:
    """Draw one quantity of all methods side by side at each distance."""
    methods = list(dict.fromkeys(table["method"]))
    for number, method in enumerate(methods):
        rows = table[table["method"] == method]
        plain = method.removesuffix(TUNED)
        below, above = rows[quantity] - rows[f"{quantity}_low"], rows[f"{quantity}_high"] - rows[quantity]
        axes.errorbar(
            rows["every"] + WIDTH * ((number + 0.5) / len(methods) - 0.5),
            rows[quantity],
            yerr=[below, above],
            fmt="o",
            markersize=4,
            linewidth=1,
            color=COLORS[plain],
            markerfacecolor=COLORS[plain] if method != plain else "white",
            label=method.replace("_", " ").replace(" tuned", ", tuned"),
        )
