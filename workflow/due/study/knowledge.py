"""Does the uncertainty of filled slices know anything? Calibration, ranking of errors, and what a sceptic would use.

A method says of the M hidden slices of a nodule: `probability` [M, h, w] in [0, 1], and `variance` [M, h, w] in
[0, 0.25], which is p (1 - p) where nothing is drawn. Pixels are those of the regions that are scored, slices those of
the test patients. Intervals are over patients.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from due.errors import DueError
from due.evaluate.intervals import DRAWS, Estimate
from due.interpolate.evaluate import dice
from due.seeds import numpy_generator
from due.uncertainty.predictor import MAX_VARIANCE

BINS = 10
COVERAGES = 50
"""Points of a risk-coverage curve."""

WIDEST = 4
"""Largest number of slices from a hidden slice to the kept ones around it, where gaps grow."""

DECIMALS = 7
"""Uncertainties that agree to this many decimals are equal: further ones are rounding errors of single precision."""

MM_DECIMALS = 3
"""Distances are compared to a micrometre, since positions are written with few decimals."""

BLOCK = 100
"""Draws of patients that are ranked at a time, which bounds the memory."""

REFERENCES = ("size", "disagreement")
"""Scores that know nothing of the method, and that its uncertainty must beat."""

COLUMNS = ("method", "every", "curve", "x", "y", "low", "high", "n")
"""Columns of the table of curves, `results/tables/uncertainty_curves.csv`."""


class RiskArea(NamedTuple):
    """The area under a risk-coverage curve, less is better.

    Attributes:
        area: mean risk over all coverages (AURC), in [0, 1].
        excess: its excess over the best possible order (E-AURC), in [0, 1].
    """

    area: float
    excess: float


class Share(NamedTuple):
    """How many of the nodules or slices that could show a rise do show it.

    Attributes:
        rising: share with a rank correlation above 0, NaN where none could show it.
        count: how many could.
    """

    rising: float
    count: int


class GrowingGap(NamedTuple):
    """A hidden slice and the slices kept around it.

    Attributes:
        slice: number of the hidden slice.
        g: slices from it to either of the two around.
        kept: slices at -2 g, -g, +g and +2 g from it, -1 where the nodule has none.
    """

    slice: int
    g: int
    kept: tuple[int, int, int, int]


class GapTrend(NamedTuple):
    """How a score follows the growing gap around one hidden slice.

    Attributes:
        rising: share of slices whose score rises with the gap.
        means: a row per g with `g`, mean `gap_mm`, mean `score` and number `n` of slices, always the same slices.
    """

    rising: Share
    means: pd.DataFrame


def reliability(probability: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """Return how often pixels are inside that were said to be so with about the same probability.

    The differences of the two columns, weighted by `n`, are the expected calibration error (Naeini et al., 2015).

    Args:
        probability: of being inside [N], in [0, 1].
        truth: whether it is inside [N].

    Returns:
        A row per bin of 10 bins of equal width that is not empty: mean `predicted`, share `inside`, count `n`.

    Raises:
        DueError: lengths differ or are 0, or probabilities leave [0, 1].
    """
    _check(probability=probability, truth=truth)
    _check_range("probability", probability, 1.0)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    n = np.bincount(bins, minlength=BINS)
    predicted, inside = (np.bincount(bins, values, minlength=BINS) for values in (probability, truth))
    some = n > 0
    return pd.DataFrame({"predicted": predicted[some] / n[some], "inside": inside[some] / n[some], "n": n[some]})


def risk_coverage(variance: np.ndarray, error: np.ndarray) -> pd.DataFrame:
    """Return the share of errors among the most certain pixels, over the share of pixels (El-Yaniv and Wiener, 2010).

    Pixels of equal variance, to 7 decimals, count as drawn in random order: the risk is the expected one.

    Args:
        variance: of each pixel [N], in [0, 0.25].
        error: whether the pixel is wrong, bool [N].

    Returns:
        Up to 50 rows of rising coverage: `coverage` in (0, 1], `risk` in [0, 1], and the number `n` of pixels covered.

    Raises:
        DueError: lengths differ or are 0, or variances leave [0, 0.25].
    """
    covered = np.unique(-(-np.arange(1, COVERAGES + 1) * len(variance) // COVERAGES))
    risk = _expected_errors(variance, error)[covered - 1] / covered
    return pd.DataFrame({"coverage": covered / len(variance), "risk": risk, "n": covered})


def risk_area(variance: np.ndarray, error: np.ndarray) -> RiskArea:
    """Return the area under the risk-coverage curve and its excess over the best order (Geifman et al., 2019).

    The area is the mean of the expected risk over all N coverages. The best order has all errors last.

    Args:
        variance: of each pixel [N], in [0, 0.25].
        error: whether the pixel is wrong, bool [N].

    Raises:
        DueError: lengths differ or are 0, or variances leave [0, 0.25].
    """
    covered = np.arange(1, len(variance) + 1)
    area = np.mean(_expected_errors(variance, error) / covered)
    best = np.mean(np.maximum(covered - np.sum(~np.asarray(error, dtype=bool)), 0) / covered)
    return RiskArea(float(area), float(area - best))


def slice_score(probability: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the uncertainty of each slice: the sum of its variance over the sum of its mean, [M] in [0, 1].

    A sum over the slice alone would follow the size of the nodule. Draws of values in [0, 1] never exceed 1; a
    predictor that gives mean and variance apart may, and is cut to 1. Where nothing is predicted, the score is 0 if
    nothing is doubted and 1 if something is.

    Args:
        probability: mean of each pixel [M, h, w], in [0, 1].
        variance: variance of each pixel [M, h, w], in [0, 0.25].

    Raises:
        DueError: shapes differ, or values leave their ranges.
    """
    if probability.shape != variance.shape or probability.ndim != 3:
        raise DueError(
            f"The probabilities have the shape {probability.shape}, the variances {variance.shape}; "
            "equal shapes [M, h, w] were expected. Pass both of the same slices."
        )
    _check_range("probability", probability, 1.0)
    _check_range("variance", variance, MAX_VARIANCE)
    # In double precision, since single precision loses digits in sums over large slices.
    doubt, size = (values.sum(axis=(1, 2), dtype=np.float64) for values in (variance, probability))
    score = np.divide(doubt, size, out=(doubt > 0).astype(float), where=size > 0)
    return np.minimum(score, 1.0)


def size_score(masks: np.ndarray, kept: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return minus the mean area, in pixels, of the two kept shapes around each hidden slice [M].

    Small shapes are filled in worse, so this ranks errors without any method.

    Args:
        masks: consensus, bool [K, h, w].
        kept: numbers of the slices that are shown [A], ascending.
        hidden: numbers of the hidden slices [M], each between two kept ones.

    Raises:
        DueError: a hidden slice does not lie between two kept ones.
    """
    return -_mean_around(masks.sum(axis=(1, 2), dtype=float), kept, hidden)


def disagreement(readers: np.ndarray, masks: np.ndarray, kept: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return how much readers differ from their consensus on the two kept slices around each hidden one [M].

    It is 1 - the mean Dice of the readers, in [0, 1], and uses nothing that is hidden.

    Args:
        readers: readers' masks, bool [R, K, h, w]; a reader who left a slice empty has Dice 0 there.
        masks: consensus, bool [K, h, w].
        kept: numbers of the slices that are shown [A], ascending.
        hidden: numbers of the hidden slices [M], each between two kept ones.

    Raises:
        DueError: shapes do not fit, or a hidden slice does not lie between two kept ones.
    """
    return _mean_around(_reader_distance(readers, masks), kept, hidden)


def disagreement_hidden(readers: np.ndarray, masks: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return how much readers differ from their consensus on the hidden slices themselves [M], in [0, 1].

    An oracle: at test time nobody has read these slices.

    Args:
        readers: readers' masks, bool [R, K, h, w].
        masks: consensus, bool [K, h, w].
        hidden: numbers of the hidden slices [M].

    Raises:
        DueError: shapes do not fit.
    """
    return _reader_distance(readers, masks)[hidden]


def rank_correlation(score: np.ndarray, error: np.ndarray, patients: np.ndarray, *, seed: int) -> Estimate:
    """Return Spearman's correlation of score and error with its percentile interval (95 %) over draws of patients.

    Ranks are taken anew in each draw. Draws in which either is constant have no correlation and are left out; where
    either is constant altogether, all three numbers are NaN.

    Args:
        score: uncertainty of each slice [N].
        error: error of each slice [N], for example 1 - Dice.
        patients: whose slice it is [N].
        seed: seed of the draws, which are those of `patient_interval`.

    Raises:
        DueError: lengths differ or are 0, or values are not finite.
    """
    _check(score=score, error=error, patients=patients)
    value, drawn = _correlations(score, error, patients, seed)
    return _estimate(value, drawn)


def rank_gain(
    score: np.ndarray, reference: np.ndarray, error: np.ndarray, patients: np.ndarray, *, seed: int
) -> Estimate:
    """Return Spearman(score, error) - Spearman(reference, error) with its paired interval over draws of patients.

    Both correlations are of the same draw; otherwise as `rank_correlation`.

    Args:
        score: uncertainty of each slice [N].
        reference: the same by a simpler means [N].
        error: error of each slice [N], for example 1 - Dice.
        patients: whose slice it is [N].
        seed: seed of the draws.

    Raises:
        DueError: lengths differ or are 0, or values are not finite.
    """
    _check(score=score, reference=reference, error=error, patients=patients)
    value, drawn = _correlations(score, error, patients, seed)
    other, other_drawn = _correlations(reference, error, patients, seed)
    return _estimate(value - other, drawn - other_drawn)


def distance_share(score: np.ndarray, distance_mm: np.ndarray, lesion: np.ndarray) -> Share:
    """Return in how many nodules the score rises with the distance to the nearest kept slice.

    Nodules with one distance only can show nothing and are left out. A constant score does not rise. By chance the
    share is somewhat below 1/2, since a rank correlation of exactly 0 is no rise.

    Args:
        score: uncertainty of each slice [M].
        distance_mm: its distance to the nearest kept slice in mm [M], compared to 3 decimals.
        lesion: whose slice it is [M].

    Raises:
        DueError: lengths differ or are 0, or values are not finite.
    """
    _check(score=score, distance_mm=distance_mm, lesion=lesion)
    return _rising(score, distance_mm, lesion)


def growing_gaps(slices: int) -> list[GrowingGap]:
    """Return every way to hide one slice of a nodule between two that are 1 to 4 slices away on either side.

    The content of the hidden slice stays the same while the gap around it grows, so a trend over g is due to the gap.

    Args:
        slices: number K of the nodule's slices.

    Returns:
        Records by slice, then by g.
    """
    return [
        GrowingGap(k, g, tuple(place if 0 <= place < slices else -1 for place in (k - 2 * g, k - g, k + g, k + 2 * g)))
        for k in range(slices)
        for g in range(1, WIDEST + 1)
        if k - g >= 0 and k + g < slices
    ]


def gap_trend(score: np.ndarray, gap_mm: np.ndarray, slice_id: np.ndarray) -> GapTrend:
    """Return whether the score of the same hidden slice rises as the gap around it grows.

    Slices with one gap only can show nothing and are left out of the share. The means are over the slices that have
    all four gaps, so that they compare the same slices.

    Args:
        score: uncertainty of each record of `growing_gaps` [N].
        gap_mm: distance between the two kept slices around in mm [N], compared to 3 decimals.
        slice_id: name of the hidden slice, different in different nodules [N].

    Raises:
        DueError: lengths differ or are 0, values are not finite, or a slice has a gap twice.
    """
    _check(score=score, gap_mm=gap_mm, slice_id=slice_id)
    table = pd.DataFrame({"score": score, "gap_mm": _rounded(gap_mm, MM_DECIMALS), "slice_id": slice_id})
    if table.duplicated(["slice_id", "gap_mm"]).any():
        twice = table.loc[table.duplicated(["slice_id", "gap_mm"]), "slice_id"].iloc[0]
        raise DueError(
            f"The slice {twice} has the same gap twice; one score per slice and gap was expected. "
            "Give the slices of different nodules different names."
        )
    by_slice = table.groupby("slice_id")["gap_mm"]
    whole = table.assign(g=by_slice.rank().astype(int))[by_slice.transform("size") == WIDEST]
    means = whole.groupby("g", as_index=False).agg(
        gap_mm=("gap_mm", "mean"), score=("score", "mean"), n=("score", "size")
    )
    return GapTrend(_rising(score, gap_mm, slice_id), means)


def weights_rank_errors(weight: np.ndarray, error: np.ndarray) -> float:
    """Return how well low weights point at errors: the AUROC of 1 - weight, NaN where all or none are wrong.

    Args:
        weight: weight of each pixel [N], in [0, 1].
        error: whether the pixel is wrong, bool [N].

    Raises:
        DueError: lengths differ or are 0, or weights leave [0, 1].
    """
    _check(weight=weight, error=error)
    _check_range("weight", weight, 1.0)
    wrong = np.asarray(error, dtype=bool)
    # The order of 1 - weight without its rounding, which would merge small weights.
    return float(roc_auc_score(wrong, -np.asarray(weight))) if 0 < wrong.sum() < len(wrong) else np.nan


def weights_rank_errors_within(weight: np.ndarray, error: np.ndarray, gap: np.ndarray) -> tuple[float, int]:
    """Return the mean over gaps of `weights_rank_errors`, and the number of gaps with right and wrong pixels.

    Within a gap all mappings that fall with the variance rank alike; over all pixels, one whose scale changes from
    gap to gap does not.

    Args:
        weight: weight of each pixel [N], in [0, 1].
        error: whether the pixel is wrong, bool [N].
        gap: name or number of the gap that the pixel lies in [N].

    Raises:
        DueError: lengths differ or are 0, or weights leave [0, 1].
    """
    _check(weight=weight, error=error, gap=gap)
    weight, error = np.asarray(weight), np.asarray(error)
    areas = np.array([weights_rank_errors(weight[part], error[part]) for part in _members(gap)])
    areas = areas[np.isfinite(areas)]
    return (float(areas.mean()) if len(areas) else np.nan), len(areas)


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
        DueError: a column is missing, or its values are not what the functions of this module expect.
    """
    _require("pixels", pixels, ("probability", "variance", "truth"))
    _require("slices", slices, ("patient_id", "score", "error", "distance_mm", *REFERENCES))
    probability, variance, truth = (pixels[name].to_numpy() for name in ("probability", "variance", "truth"))
    error, patients = slices["error"].to_numpy(), slices["patient_id"].to_numpy()
    distance = _rounded(slices["distance_mm"].to_numpy(), MM_DECIMALS)
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


def _expected_errors(variance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the errors [N] expected among the 1, 2 ... N most certain pixels, with ties in random order."""
    _check(variance=variance, error=error)
    _check_range("variance", variance, MAX_VARIANCE)
    _, group, sizes = np.unique(_rounded(variance, DECIMALS), return_inverse=True, return_counts=True)
    errors = np.bincount(group, np.asarray(error, dtype=bool))
    # Within a tie every pixel is wrong with the same chance, so the expected number rises on a straight line.
    stops, found = (np.concatenate([[0], np.cumsum(parts)]) for parts in (sizes, errors))
    return np.interp(np.arange(1, len(variance) + 1), stops, found)


def _mean_around(values: np.ndarray, kept: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return the mean of a value of each slice [K] over the two kept slices around each hidden one [M]."""
    above = np.searchsorted(kept, hidden)
    if np.isin(hidden, kept).any() or (above == 0).any() or (above == len(kept)).any():
        raise DueError(
            f"The slices {np.asarray(hidden).tolist()} are hidden and {np.asarray(kept).tolist()} are kept; each "
            "hidden slice was expected between two kept ones. Leave out slices beside all kept ones."
        )
    return (values[kept[above - 1]] + values[kept[above]]) / 2


def _reader_distance(readers: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return 1 - the mean Dice of readers [R, K, h, w] with the consensus [K, h, w], by slice [K]."""
    if readers.ndim != 4 or readers.shape[1:] != masks.shape or len(readers) == 0:
        raise DueError(
            f"The readers' masks have the shape {readers.shape} and the consensus {masks.shape}; [R, K, h, w] and "
            "[K, h, w] were expected. Cut and pad both alike."
        )
    return 1 - np.mean([dice(reader, masks) for reader in readers], axis=0)


def _correlations(score: np.ndarray, error: np.ndarray, patients: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """Return Spearman's correlation, and that of each draw of patients, NaN where it is not defined."""
    _, owner = np.unique(patients, return_inverse=True)
    people = owner.max() + 1
    drawn = numpy_generator(seed, "bootstrap").multinomial(people, np.full(people, 1 / people), size=DRAWS)
    blocks = [drawn[first : first + BLOCK, owner] for first in range(0, DRAWS, BLOCK)]
    once = np.ones((1, len(score)), dtype=int)
    return _weighted_spearman(score, error, once)[0], np.concatenate(
        [_weighted_spearman(score, error, times) for times in blocks]
    )


def _weighted_spearman(one: np.ndarray, other: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation [B] of values [N] of which each is taken `times` [B, N] times."""
    a, b = _centred_ranks(one, times), _centred_ranks(other, times)
    covariance = np.einsum("bn,bn,bn->b", times, a, b)
    spread = np.sqrt(np.einsum("bn,bn,bn->b", times, a, a) * np.einsum("bn,bn,bn->b", times, b, b))
    return np.divide(covariance, spread, out=np.full(len(times), np.nan), where=spread > 0)


def _centred_ranks(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mid-rank of each value less the mean rank [B, N], each value taken `times` [B, N] times."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    taken = np.add.reduceat(times[:, order], starts, axis=1)
    middle = np.cumsum(taken, axis=1) - (taken - 1) / 2
    return (middle - (taken.sum(axis=1, keepdims=True) + 1) / 2)[:, group]


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan)
    low, high = np.percentile(drawn[np.isfinite(drawn)], [2.5, 97.5])
    return Estimate(float(value), float(low), float(high))


def _rising(score: np.ndarray, along: np.ndarray, group: np.ndarray) -> Share:
    """Return the share of groups whose score rises with `along`, of those in which it can."""
    score, along = _rounded(score, DECIMALS), _rounded(along, MM_DECIMALS)
    # Centred mid-ranks are multiples of 1/2, so the sign of their product is exact.
    rising = [
        np.dot(_centred(score[part]), _centred(along[part])) > 0 for part in _members(group) if np.ptp(along[part]) > 0
    ]
    return Share(float(np.mean(rising)) if rising else np.nan, len(rising))


def _rounded(values: np.ndarray, decimals: int) -> np.ndarray:
    """Round in double precision; half precision would overflow."""
    return np.round(np.asarray(values, dtype=np.float64), decimals)


def _centred(values: np.ndarray) -> np.ndarray:
    return rankdata(values) - (len(values) + 1) / 2


def _members(group: np.ndarray) -> list[np.ndarray]:
    """Return the places of each group's members."""
    _, number, sizes = np.unique(group, return_inverse=True, return_counts=True)
    return np.split(np.argsort(number, kind="stable"), np.cumsum(sizes)[:-1])


def _check(**lists: Any) -> None:
    """Check that lists have one length above 0, and that numbers are finite."""
    arrays = {name: np.asarray(values) for name, values in lists.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1 or any(values.ndim != 1 or values.size == 0 for values in arrays.values()):
        seen = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())
        raise DueError(
            f"The shapes are {seen}; equal lengths [N] above 0 were expected. Pass one value of each per row."
        )
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DueError(
                f"`{name}` holds {np.sum(~np.isfinite(values))} values that are not finite; numbers were expected. "
                "Leave those rows out."
            )


def _check_range(name: str, values: np.ndarray, highest: float) -> None:
    """Check that values lie in [0, highest], up to rounding errors."""
    low, high = (np.min(values), np.max(values)) if np.size(values) else (0.0, 0.0)
    if not (low >= -(10.0**-DECIMALS) and high <= highest + 10.0**-DECIMALS):
        raise DueError(
            f"`{name}` lies between {low:.4g} and {high:.4g}; values from 0 to {highest:g} were expected. "
            "Pass it as the method gives it, without rescaling."
        )


def _require(what: str, table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise DueError(f"The table of {what} has the columns {list(table)} and lacks {missing}. Add them.")
