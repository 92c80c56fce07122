"""Reliability of predictions: how often a sample that is called a lesion with some probability is one."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from explainct.report.plot_style import RC, method_style, save_figure

BINS = 10


def reliability_figure(
    *, predictions_files: Sequence[Path], methods: Sequence[str], cohort: str, png: Path, pdf: Path
) -> None:
    """Draw the share of lesions over the predicted probability, all seeds together, with the calibration error.

    Args:
        predictions_files: `predictions.parquet` of each method.
        methods: the methods, in the same order.
        cohort: the cohort in words, for the title.
        png: picture for the report.
        pdf: picture for a paper.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=0.8)
        for method, path in zip(methods, predictions_files, strict=True):
            table = pd.read_parquet(path, columns=["label", "probability"])
            bins = reliability(table["label"].to_numpy(), table["probability"].to_numpy())
            error = calibration_error(bins)
            style = method_style(method)
            style["label"] += f" ({error:.3f})"
            axes.plot(bins["probability"], bins["share"], markersize=4, linewidth=1.2, **style)
        axes.set(xlabel="predicted probability of a lesion", ylabel="share of lesions", xlim=(0, 1), ylim=(0, 1))
        figure.legend(loc="outside right center", title="calibration error")
        figure.suptitle(f"Reliability of predictions, test samples of the {cohort}")
        save_figure(figure, png, pdf)


def reliability(label: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Return mean probability, share of lesions and count of each of ten equal bins of probability that is not empty.

    Args:
        label: 1 lesion, 0 neighbour [N].
        probability: predicted probability of a lesion [N], in [0, 1].
    """
    table = pd.DataFrame({"probability": probability, "share": label.astype(float), "count": 1})
    numbers = np.minimum((probability * BINS).astype(int), BINS - 1)
    groups = table.groupby(numbers)
    return groups.agg({"probability": "mean", "share": "mean", "count": "sum"}).reset_index(drop=True)


def calibration_error(bins: pd.DataFrame) -> float:
    """Return the expected calibration error of the bins of `reliability`, in [0, 1] (Naeini et al., 2015)."""
    return float(np.average((bins["probability"] - bins["share"]).abs(), weights=bins["count"]))
