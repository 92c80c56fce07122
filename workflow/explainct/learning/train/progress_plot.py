"""The picture of a training's progress."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from explainct.runtime.files import replacing

LOSSES = {"prediction_loss": "prediction", "explanation_loss": "explanation"}
SCORE = "validation_average_precision"


def plot_progress(*, history_files: Sequence[Path], progress_files: Sequence[Path]) -> None:
    """Draw the progress of each training.

    Args:
        history_files: tables that `train_classifier` wrote.
        progress_files: PNG files to write, in the same order.
    """
    for history_file, progress_file in zip(history_files, progress_files, strict=True):
        draw_progress(pd.read_csv(history_file), progress_file)


def draw_progress(history: pd.DataFrame, path: str | Path) -> None:
    """Draw losses and the validation score against the epoch, two panels of one PNG; same history, same bytes.

    Args:
        history: one row an epoch with `epoch`, `prediction_loss`, `explanation_loss` and
            `validation_average_precision` in [0, 1]; the last two may be NaN.
        path: the PNG to write.
    """
    with style.context("default"):  # whatever a `matplotlibrc` of the user says
        _draw(history, path)


def _draw(history: pd.DataFrame, path: str | Path) -> None:
    # Without pyplot nothing global is touched.
    figure = Figure(figsize=(7, 2.6), dpi=80)
    FigureCanvasAgg(figure)
    # Fixed margins: matplotlib's automatic ones draw everything twice.
    losses, score = figure.subplots(1, 2, gridspec_kw={"left": 0.09, "right": 0.98, "bottom": 0.18, "top": 0.95})
    for column, label in LOSSES.items():
        _line(losses, history, column, label)
    losses.set(ylabel="loss", ylim=(0, None))
    losses.legend(frameon=False)
    _line(score, history, SCORE, "validation")
    score.set(ylabel="average precision", ylim=(0, 1.02))
    with replacing(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


def _line(axes: Axes, history: pd.DataFrame, column: str, label: str) -> None:
    """Draw one column of the history where it has values."""
    known = history.dropna(subset=column)
    axes.plot(known["epoch"], known[column], marker=".", label=label)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
