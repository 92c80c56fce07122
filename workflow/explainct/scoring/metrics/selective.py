"""Abstaining from the least certain predictions: the errors that are left over the share of predictions kept."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from explainct.scoring.statistics.checks import check_lists

COVERAGES = 50
"""Points of a risk-coverage curve."""


class RiskArea(NamedTuple):
    """The area under a risk-coverage curve, less is better.

    Attributes:
        area: mean risk over all coverages (AURC), in [0, 1].
        excess: its excess over the best possible order (E-AURC), in [0, 1].
    """

    area: float
    excess: float


def selective_risk(uncertainty: np.ndarray, error: np.ndarray) -> pd.DataFrame:
    """Return the share of errors among the most certain predictions, over the share of predictions.

    El-Yaniv and Wiener, JMLR 2010. Predictions of equal uncertainty count as drawn in random order: the risk is the
    expected one.

    Args:
        uncertainty: larger where a prediction is less certain, on any scale [N].
        error: whether the prediction is wrong, bool [N].

    Returns:
        Up to 50 rows of rising coverage: `coverage` in (0, 1], `risk` in [0, 1], and the number `n` of predictions.

    Raises:
        UserError: lengths differ or are 0, or an uncertainty is not finite.
    """
    covered = np.unique(-(-np.arange(1, COVERAGES + 1) * len(uncertainty) // COVERAGES))
    risk = expected_errors(uncertainty, error)[covered - 1] / covered
    return pd.DataFrame({"coverage": covered / len(uncertainty), "risk": risk, "n": covered})


def risk_at(uncertainty: np.ndarray, error: np.ndarray, coverage: float) -> float:
    """Return the share of errors among the most certain share `coverage` of predictions, both in (0, 1].

    Args:
        uncertainty: larger where a prediction is less certain [N].
        error: whether the prediction is wrong, bool [N].
        coverage: share of predictions that are kept, rounded up to a whole number of them.

    >>> risk_at(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, True]), 0.75)
    0.3333333333333333
    """
    covered = int(np.ceil(coverage * len(uncertainty)))
    return float(expected_errors(uncertainty, error)[covered - 1] / covered)


def selective_area(uncertainty: np.ndarray, error: np.ndarray) -> RiskArea:
    """Return the area under the risk-coverage curve and its excess over the best order (Geifman et al., 2019).

    The area is the mean of the expected risk over all N coverages. The best order has all errors last.

    Args:
        uncertainty: larger where a prediction is less certain [N].
        error: whether the prediction is wrong, bool [N].

    Raises:
        UserError: lengths differ or are 0, or an uncertainty is not finite.
    """
    covered = np.arange(1, len(uncertainty) + 1)
    area = np.mean(expected_errors(uncertainty, error) / covered)
    best = np.mean(np.maximum(covered - np.sum(~np.asarray(error, dtype=bool)), 0) / covered)
    return RiskArea(float(area), float(area - best))


def expected_errors(uncertainty: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the errors [N] expected among the 1, 2 ... N most certain predictions, with ties in random order."""
    check_lists(uncertainty=uncertainty, error=error)
    _, group, sizes = np.unique(uncertainty, return_inverse=True, return_counts=True)
    errors = np.bincount(group, np.asarray(error, dtype=bool))
    # Within a tie every prediction is wrong with the same chance, so the expected number rises on a straight line.
    stops, found = (np.concatenate([[0], np.cumsum(parts)]) for parts in (sizes, errors))
    return np.interp(np.arange(1, len(uncertainty) + 1), stops, found)
