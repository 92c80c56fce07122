"""Tabulate what the uncertainty of one method knows, as the curves that its picture is drawn from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from explainct.due.interpolation_study.distance_trend import GapTrend
from explainct.due.interpolation_study.slice_uncertainty import REFERENCES
from explainct.errors import UserError
from explainct.scoring.metrics.calibration import BINS, reliability, risk_coverage
from explainct.scoring.statistics.checks import MM_DECIMALS, rounded
from explainct.scoring.statistics.rank_correlation import rank_correlation

COLUMNS = ("method", "every", "curve", "x", "y", "low", "high", "n")
"""Columns of the table of curves, `uncertainty_curves.csv` of the study."""


def uncertainty_curves(
    *, method: str, every: int, pixels: pd.DataFrame, slices: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Return what one method's uncertainty knows, as rows of the table of curves.

    Args:
        method: its name.
        every: distance d between kept slices.
        pixels: a row per pixel with `probability`, `variance` and `truth`.
        slices: a row per slice with `patient_id`, `score`, `error`, `distance_mm`, and the references `size` and
            `disagreement`.
        seed: seed of the intervals.

    Returns:
        A table with `COLUMNS`. By `curve`, x and y are: `reliability` mean probability and share inside;
        `risk_coverage` coverage and risk; `score_error` mean score and mean error of up to 10 groups of about equally
        many slices, with quartiles of the error as `low` and `high`; `distance` mean distance in mm and mean score in
        groups by distance, with quartiles; `spearman_score`, `spearman_size` and `spearman_disagreement` no x, and the
        rank correlation with the error, with its interval. `n` counts pixels or slices.

    Raises:
        UserError: a column is missing, or its values are not what the functions of this module expect.
    """
    _require("pixels", pixels, ("probability", "variance", "truth"))
    _require("slices", slices, ("patient_id", "score", "error", "distance_mm", *REFERENCES))
    probability, variance, truth = (pixels[name].to_numpy() for name in ("probability", "variance", "truth"))
    error, patients = slices["error"].to_numpy(), slices["patient_id"].to_numpy()
    distance = rounded(slices["distance_mm"].to_numpy(), MM_DECIMALS)
    wrong = (probability >= 0.5) != truth.astype(bool)
    curves = {
        "reliability": reliability(probability, truth).rename(columns={"predicted": "x", "inside": "y"}),
        "risk_coverage": risk_coverage(variance, wrong).rename(columns={"coverage": "x", "risk": "y"}),
        "score_error": _grouped(slices["score"].to_numpy(), error),
        "distance": _grouped(distance, slices["score"].to_numpy()),
    }
    for name in ("score", *REFERENCES):
        known = rank_correlation(slices[name].to_numpy(), error, patients, seed=seed)
        row = {"y": known.mean, "low": known.low, "high": known.high, "n": len(slices)}
        curves[f"spearman_{name}"] = pd.DataFrame([row])
    return _as_rows(method, every, curves)


def growing_gap_curve(*, method: str, trend: GapTrend) -> pd.DataFrame:
    """Return the means of a trend as rows of the table of curves.

    Args:
        method: the method's name.
        trend: what `gap_trend` returns.

    Returns:
        Rows with `COLUMNS` of the curve `growing_gap`: x is half the mean gap, which is the distance to the nearest
        kept slice in mm, y the mean score, n the number of slices; `every` is 0, since one slice is hidden at a time.
    """
    means = trend.means
    curve = pd.DataFrame({"x": means["gap_mm"] / 2, "y": means["score"], "n": means["n"]})
    return _as_rows(method, 0, {"growing_gap": curve})


def _as_rows(method: str, every: int, curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows = pd.concat([curve.assign(curve=name) for name, curve in curves.items()], ignore_index=True)
    return rows.assign(method=method, every=every).reindex(columns=list(COLUMNS))


def _grouped(x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Return means of x and y in up to 10 groups of about equal size, with quartiles of y; equal x stay together."""
    group = np.floor(BINS * (rankdata(x) - 0.5) / len(x)).astype(int)
    by_group = pd.DataFrame({"x": x, "y": y}).groupby(group)
    low, high = (by_group["y"].quantile(share) for share in (0.25, 0.75))
    return by_group.mean().assign(low=low, high=high, n=by_group.size()).reset_index(drop=True)


def _require(what: str, table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise UserError(f"The table of {what} has the columns {list(table)} and lacks {missing}. Add them.")
