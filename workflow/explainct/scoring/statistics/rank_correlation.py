"""Rank correlations of scores with errors, with intervals over patients."""

import numpy as np

from explainct.scoring.statistics.bootstrap import DRAWS, Estimate
from explainct.scoring.statistics.checks import check_lists
from explainct.seeds import numpy_generator

BLOCK = 100
"""Draws of patients that are ranked at a time, which bounds the memory."""


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
        UserError: lengths differ or are 0, or values are not finite.
    """
    check_lists(score=score, error=error, patients=patients)
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
        UserError: lengths differ or are 0, or values are not finite.
    """
    check_lists(score=score, reference=reference, error=error, patients=patients)
    value, drawn = _correlations(score, error, patients, seed)
    other, other_drawn = _correlations(reference, error, patients, seed)
    return _estimate(value - other, drawn - other_drawn)


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
