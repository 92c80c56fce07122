"""Paired differences between methods, with intervals by bootstrap over patients.

Each draw takes patients with replacement, the same ones for every method and seed; a patient brings all its lesions
or samples. Seeds are averaged within a draw, so intervals tell what other patients would change, not what another
training would. There are no p-values: a test over draws can be made as small as one likes by drawing more.

With K methods against the reference, the corrected interval has level 1 - 0.05 / K (Bonferroni), meant to hold for all
K of a metric at once with 95 %. Metrics are not counted as comparisons. With few patients percentile intervals are a
little narrow: on 24 simulated patients those of 95 % held 187 times of 200.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from explainct.errors import UserError
from explainct.scoring.statistics.bootstrap import DRAWS
from explainct.seeds import numpy_generator

LEVEL = 0.05
KEY = ["method", "seed", "patient_id", "sample_id"]
COLUMNS = ["metric", "method", "reference", "difference", "low", "high", "low_corrected", "high_corrected"]
COLUMNS += ["patients", "seeds", "comparisons"]
CHUNK = 500  # draws at a time, where an array holds a number per draw and sample


def value_differences(values: pd.DataFrame, *, reference: str = "due", seed: int) -> pd.DataFrame:
    """Return how much the mean of each metric of each method differs from that of the reference.

    Args:
        values: one row per metric, method, seed and lesion (or sample): the columns metric, method, seed, patient_id,
            sample_id and value. Every method has the same samples and seeds; another metric may have others.
        reference: the method that all others are compared with.
        seed: seed of the draws.

    Returns:
        One row per metric and method, sorted: metric, method, reference, difference (method minus reference, in the
        metric's unit), low and high (95 %), low_corrected and high_corrected (1 - 0.05 / comparisons), patients,
        seeds and comparisons (methods beside the reference). Whether more is better, `METRICS` says.

    Raises:
        UserError: the reference is missing or alone, values are missing, double or not finite, or one patient has all.
    """
    tables = []
    for metric, group in values.groupby("metric", sort=True):
        runs = _runs(group, "value", reference)
        drawn = patient_draws(runs.patients, len(runs.methods) - 1, seed=seed)
        tables.append(_differences(str(metric), mean_by_draw, runs, drawn))
    return pd.concat(tables, ignore_index=True)


def prediction_differences(predictions: pd.DataFrame, *, reference: str = "due", seed: int) -> pd.DataFrame:
    """Return how much ROC-AUC and average precision of each method differ from those of the reference.

    The metrics are computed anew in each draw; draws that miss one of the two classes are left out.

    Args:
        predictions: one row per method, seed and sample: the columns method, seed, patient_id, sample_id, label (0 or
            1) and probability (of class 1). Every method has the same samples and seeds.
        reference: the method that all others are compared with.
        seed: seed of the draws.

    Returns:
        Rows as of `value_differences`, for `average_precision` and `roc_auc`.

    Raises:
        UserError: as `value_differences`, or labels are not the same for all methods, or not of both classes.
    """
    runs = _runs(predictions, "probability", reference)
    label = _labels(predictions)
    drawn = patient_draws(runs.patients, len(runs.methods) - 1, seed=seed)
    of_class = [drawn @ _per_patient(runs.owner, drawn, label == value) for value in (0, 1)]
    drawn = drawn[np.all(np.greater(of_class, 0), axis=0)]
    metrics = {"average_precision": average_precision_by_draw, "roc_auc": roc_auc_by_draw}
    tables = [_differences(name, partial(by_draw, label), runs, drawn) for name, by_draw in metrics.items()]
    return pd.concat(tables, ignore_index=True)


def mean_by_draw(values: np.ndarray, owner: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the mean of the values in each draw [R].

    Args:
        values: one value per sample [N].
        owner: the patient of each sample [N], in 0 ... P - 1.
        drawn: how often each draw holds each patient [R, P].
    """
    return (drawn @ _per_patient(owner, drawn, values)) / (drawn @ _per_patient(owner, drawn))


def roc_auc_by_draw(label: np.ndarray, score: np.ndarray, owner: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each draw [R], in [0, 1].

    It is the share of pairs of a positive and a negative that are in order, ties counting half (Mann-Whitney). The
    pairs are counted once for each pair of patients, so a draw costs one quadratic form in its numbers of patients.

    Args:
        label: true classes [N], 0 or 1, both in every draw.
        score: larger where class 1 is likelier [N].
        owner: the patient of each sample [N], in 0 ... P - 1.
        drawn: how often each draw holds each patient [R, P].
    """
    positive = label == 1
    ahead, behind = score[positive][:, None], score[~positive][None]
    in_order = (ahead > behind) + 0.5 * (ahead == behind)
    pairs = np.zeros((drawn.shape[1], drawn.shape[1]))
    np.add.at(pairs, (owner[positive][:, None], owner[~positive][None]), in_order)
    positives, negatives = (drawn @ _per_patient(owner, drawn, mask) for mask in (positive, ~positive))
    return np.einsum("rp,rp->r", drawn @ pairs, drawn) / (positives * negatives)


def average_precision_by_draw(label: np.ndarray, score: np.ndarray, owner: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the average precision of each draw [R], in [0, 1]: precision at each score, weighted by the recall gained.

    Equal to `sklearn.metrics.average_precision_score` with the draw's counts as weights.

    Args:
        label: true classes [N], 0 or 1, with a 1 in every draw.
        score: larger where class 1 is likelier [N].
        owner: the patient of each sample [N], in 0 ... P - 1.
        drawn: how often each draw holds each patient [R, P].
    """
    order = np.argsort(-score, kind="stable")
    last_of_equals = np.flatnonzero(np.diff(score[order], append=-np.inf))
    positive, patient = label[order] == 1, owner[order]
    areas = []
    for start in range(0, len(drawn), CHUNK):
        weight = drawn[start : start + CHUNK, patient]  # [r, N]
        found = np.cumsum(weight, axis=1)[:, last_of_equals]
        hits = np.cumsum(weight * positive, axis=1)[:, last_of_equals]
        precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
        areas.append((np.diff(hits, axis=1, prepend=0) * precision).sum(axis=1) / hits[:, -1])
    return np.concatenate(areas)


def patient_draws(patients: int, comparisons: int, *, seed: int) -> np.ndarray:
    """Return how often each draw holds each patient [1 + R, P]; row 0 is the cohort itself, every patient once.

    R is 2000 for each comparison: 50 draws lie beyond each end of an interval of level 1 - 0.05 / `comparisons`.
    """
    chances = np.full(patients, 1 / patients)
    drawn = numpy_generator(seed, "bootstrap").multinomial(patients, chances, size=DRAWS * comparisons)
    return np.vstack([np.ones((1, patients)), drawn])


def interval_of_draws(draws: np.ndarray) -> tuple[float, float, float]:
    """Return the cohort's value (row 0) and the 95 % interval of the draws [1 + R]; draws that are NaN are left out.

    >>> interval_of_draws(np.array([0.5, 0.4, 0.4, 0.6, np.nan]))[0]
    0.5
    """
    value, drawn = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    low, high = np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2]) if len(drawn) else (np.nan, np.nan)
    return value, float(low), float(high)


def _per_patient(owner: np.ndarray, drawn: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of the values of each patient [P], or the number of its samples."""
    return np.bincount(owner, values, minlength=drawn.shape[1])


class _Runs(NamedTuple):
    """The values of one metric.

    Attributes:
        methods: M names, sorted.
        reference: the one that the others are compared with.
        values: one per method, seed and sample [M, S, N].
        owner: the patient of each sample [N], in 0 ... P - 1.
        patients: P.
    """

    methods: list[str]
    reference: str
    values: np.ndarray
    owner: np.ndarray
    patients: int


def _runs(table: pd.DataFrame, column: str, reference: str) -> _Runs:
    """Return the values of `column`, samples sorted by patient and sample, after checking the table."""
    methods = sorted(table["method"].unique())
    if reference not in methods or len(methods) < 2:
        raise UserError(
            f"The methods are {', '.join(methods) or 'none'}; expected `{reference}` and at least one other to compare "
            "with it. Train them, or name another reference."
        )
    seeds, samples = table["seed"].nunique(), len(table[["patient_id", "sample_id"]].drop_duplicates())
    expected = len(methods) * seeds * samples
    valid = table[np.isfinite(table[column])].drop_duplicates(KEY)
    if not len(valid) == len(table) == expected:
        raise UserError(
            f"{len(table)} rows hold {len(valid)} finite values of different samples; expected {expected} of "
            f"`{column}`, one for each of {len(methods)} methods, {seeds} seeds and {samples} samples. "
            "Evaluate all methods on the same samples with the same seeds."
        )
    table = table.sort_values(KEY)
    owner, names = pd.factorize(table["patient_id"].iloc[:samples])
    if len(names) < 2:
        raise UserError(
            f"All values are of the patient {names[0]}, expected several. Give the test split more patients."
        )
    values = table[column].to_numpy(np.float64).reshape(len(methods), seeds, samples)
    return _Runs(methods, reference, values, owner, len(names))


def _labels(predictions: pd.DataFrame) -> np.ndarray:
    """Return the label of each sample [N], sorted by patient and sample, after checking that all runs agree on it."""
    labels = predictions.groupby(["patient_id", "sample_id"], sort=True)["label"].agg(["min", "max"])
    differing = np.count_nonzero(labels["min"] != labels["max"])
    if differing or set(labels["min"]) != {0, 1}:
        raise UserError(
            f"The labels are {sorted(set(predictions['label']))} and differ between methods for {differing} of "
            f"{len(labels)} samples; expected 0 and 1, the same for all. Evaluate all methods on the same test split."
        )
    return labels["min"].to_numpy()


def _differences(
    metric: str, by_draw: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], runs: _Runs, drawn: np.ndarray
) -> pd.DataFrame:
    """Return the rows of one metric, which `by_draw` gives for values [N], owner [N] and draws [1 + R, P]."""
    means = {
        method: np.mean([by_draw(values, runs.owner, drawn) for values in seeds], axis=0)
        for method, seeds in zip(runs.methods, runs.values, strict=True)
    }
    base = means.pop(runs.reference)
    size = runs.patients, runs.values.shape[1], len(means)
    rows = [
        (metric, method, runs.reference, *_interval(mean - base, comparisons=len(means)), *size)
        for method, mean in means.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _interval(differences: np.ndarray, *, comparisons: int) -> tuple[float, ...]:
    """Return the cohort's difference (row 0), then the ends of the 95 % and the corrected interval of the draws."""
    tails = [end for tail in (LEVEL / 2, LEVEL / comparisons / 2) for end in (tail, 1 - tail)]
    return float(differences[0]), *np.quantile(differences[1:], tails).tolist()
