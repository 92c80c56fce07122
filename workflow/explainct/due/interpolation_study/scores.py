"""Score the interpolation study: each hidden slice, its pixels, and a method as a whole."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from explainct.due.interpolation.hidden_slices import HeldOut
from explainct.due.interpolation.slice_scores import REGION_PIXELS, dice
from explainct.due.interpolation_study.distance_trend import GapTrend, distance_share, gap_trend
from explainct.due.interpolation_study.slice_uncertainty import (
    REFERENCES,
    disagreement,
    disagreement_hidden,
    size_score,
    slice_score,
)
from explainct.due.uncertainty.variance_to_weight import MAPPINGS
from explainct.scoring.metrics.calibration import calibration_error, risk_area, weights_rank_errors
from explainct.scoring.metrics.shape import compare_shapes
from explainct.scoring.statistics.bootstrap import Estimate, patient_interval
from explainct.scoring.statistics.rank_correlation import rank_correlation, rank_gain


class Answer(NamedTuple):
    """What a method says of the hidden slices of nodules.

    Attributes:
        mean: by nodule, the probability that a pixel is inside [M, h, w].
        variance: by nodule, its variance [M, h, w], in [0, 0.25].
        zero_level: pixels that outlines were moved outwards; NaN for a method without a level.
        seconds: CPU seconds per 1,000 slices.
    """

    mean: Sequence[np.ndarray]
    variance: Sequence[np.ndarray]
    zero_level: float
    seconds: float


def score_slices(held: Sequence[HeldOut], answer: Answer) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row per slice, and a row per pixel of the regions."""
    slices, pixels, first = [], [], 0
    for one, probability, variance in zip(held, answer.mean, answer.variance, strict=True):
        truth, region = one.truth, regions_of(one)
        overlap = dice(probability, truth)
        gap = first + np.searchsorted(one.kept, one.hidden)
        first = gap[-1] + 1
        slices.append(
            pd.DataFrame(
                {
                    "lesion_id": one.nodule.lesion_id,
                    "patient_id": one.nodule.patient_id,
                    "slice": one.hidden,
                    "distance_mm": one.distance_mm,
                    "dice": overlap,
                    "error": 1 - overlap,
                    "brier": ((probability - truth) ** 2).mean(axis=(1, 2), where=region),
                    "score": slice_score(probability, variance),
                    "variance": variance.sum((1, 2)),
                }
            )
        )
        pixels.append(
            pd.DataFrame(
                {
                    "probability": probability[region],
                    "variance": variance[region],
                    "truth": truth[region],
                    "gap": np.repeat(gap, region.sum((1, 2))),
                }
            )
        )
    return pd.concat(slices, ignore_index=True), pd.concat(pixels, ignore_index=True)


def references(held: Sequence[HeldOut]) -> pd.DataFrame:
    """Return, by hidden slice, what tells of errors without any uncertainty: size, and how far readers disagree."""
    parts = []
    for one in held:
        nodule = one.nodule
        parts.append(
            pd.DataFrame(
                {
                    "size": size_score(nodule.masks, one.kept, one.hidden),
                    "disagreement": disagreement(nodule.readers, nodule.masks, one.kept, one.hidden),
                    "disagreement_hidden": disagreement_hidden(nodule.readers, nodule.masks, one.hidden),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def regions_of(one: HeldOut) -> np.ndarray:
    """Return the pixels near the two kept shapes around each hidden slice, which uses no truth, bool [M, h, w]."""
    below = np.searchsorted(one.kept, one.hidden) - 1
    shapes = one.nodule.masks[one.kept[below]] | one.nodule.masks[one.kept[below + 1]]
    return np.stack([distance_transform_edt(~shape) <= REGION_PIXELS for shape in shapes])


def look_of_shapes(group: h5py.Group, held: Sequence[HeldOut]) -> pd.DataFrame:
    """Return how annotated slices, the mean of draws and single draws look."""
    kept = [group[one.nodule.lesion_id] for one in held]
    return compare_shapes(
        [one.truth for one in held], [part["mean"][:] >= 0.5 for part in kept], [part["draws"][:] for part in kept]
    )


def growing_trend(group: h5py.Group) -> tuple[GapTrend, float]:
    """Return how the score of a slice grows with the gap in which it is hidden, and the share where it does."""
    table = pd.DataFrame({name: group[name][:] for name in ("slice", "gap_mm", "mean", "variance")})
    lesion = group["lesion_id"].asstr()[:]
    score = table["variance"] / np.maximum(table["mean"], 1e-9)
    trend = gap_trend(
        score.to_numpy(), table["gap_mm"].to_numpy(), lesion + "/" + table["slice"].astype(str).to_numpy()
    )
    return trend, trend.rising.rising


def summary(scores: pd.DataFrame, pixels: pd.DataFrame, reference: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Return one row of the table.

    Args:
        scores: a row per slice of `score_slices`, with `references`.
        pixels: a row per pixel of `score_slices`.
        reference: the rows per slice of the method that is compared with.
        seed: seed of the intervals.
    """
    patients, error, score = (scores[name].to_numpy() for name in ("patient_id", "error", "score"))
    probability, variance, truth = (pixels[name].to_numpy() for name in ("probability", "variance", "truth"))
    gain = patient_interval((scores["dice"] - reference["dice"]).to_numpy(), patients, seed=seed)
    wrong = (probability >= 0.5) != truth
    doubts = np.ptp(variance) > 0
    area = risk_area(variance, wrong)
    over = {name: rank_gain(score, scores[name].to_numpy(), error, patients, seed=seed) for name in REFERENCES}
    rising = distance_share(
        scores["variance"].to_numpy(), scores["distance_mm"].to_numpy(), scores["lesion_id"].to_numpy()
    )
    gaps = pixels.groupby("gap")["variance"]
    weights = {
        "absolute": MAPPINGS["absolute"](variance),
        "published": gaps.transform(lambda values: MAPPINGS["published"](values.to_numpy())).to_numpy(),
    }
    return {
        "slices": len(scores),
        "nodules": scores["lesion_id"].nunique(),
        "patients": len(np.unique(patients)),
        **_columns("dice", patient_interval(scores["dice"].to_numpy(), patients, seed=seed)),
        **_columns("gain", gain),
        "brier": scores["brier"].mean(),
        "error_auroc": roc_auc_score(wrong, variance) if doubts else np.nan,
        "aurc": area.area,
        "excess_aurc": area.excess,
        **_columns("spearman_error", rank_correlation(score, error, patients, seed=seed)),
        **{key: value for name in REFERENCES for key, value in _columns(f"over_{name}", over[name]).items()},
        "spearman_distance": _spearman(scores["score"], scores["distance_mm"]),
        "rising_with_distance": rising.rising,
        "rising_nodules": rising.count,
        "calibration_error": calibration_error(probability, truth),
        **{f"weights_{name}_auroc": weights_rank_errors(weight, wrong) for name, weight in weights.items()},
    }


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    """Return an estimate as three columns."""
    return {name: estimate.mean, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _spearman(one: pd.Series, other: pd.Series) -> float:
    return float(spearmanr(one, other).statistic) if one.nunique() > 1 and other.nunique() > 1 else np.nan
