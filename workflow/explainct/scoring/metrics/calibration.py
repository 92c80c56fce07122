"""What the uncertainty of pixels knows: calibration, and the order of errors.

Pixels are those of the regions that are scored.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from explainct.scoring.metrics.selective import RiskArea, selective_area, selective_risk
from explainct.scoring.statistics.checks import DECIMALS, check_lists, check_range, rounded

MAX_VARIANCE = 0.25
"""The largest variance that values in [0, 1] can have."""

BINS = 10


def reliability(probability: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """Return how often pixels are inside that were said to be so with about the same probability.

    The differences of the two columns, weighted by `n`, are the expected calibration error (Naeini et al., 2015).

    Args:
        probability: of being inside [N], in [0, 1].
        truth: whether it is inside [N].

    Returns:
        A row per bin of 10 bins of equal width that is not empty: mean `predicted`, share `inside`, count `n`.

    Raises:
        UserError: lengths differ or are 0, or probabilities leave [0, 1].
    """
    check_lists(probability=probability, truth=truth)
    check_range("probability", probability, 1.0)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    n = np.bincount(bins, minlength=BINS)
    predicted, inside = (np.bincount(bins, values, minlength=BINS) for values in (probability, truth))
    some = n > 0
    return pd.DataFrame({"predicted": predicted[some] / n[some], "inside": inside[some] / n[some], "n": n[some]})


def calibration_error(probability: np.ndarray, truth: np.ndarray) -> float:
    """Return the expected calibration error in [0, 1] over 10 bins of equal width (Naeini et al., 2015).

    Args:
        probability: of being inside [N], in [0, 1].
        truth: whether it is inside [N].

    >>> round(calibration_error(np.array([0.9, 0.9, 0.9, 0.9]), np.array([1, 1, 1, 0])), 6)
    0.15
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, probability - truth, minlength=BINS)
    return float(np.abs(gaps).sum() / len(probability))


def risk_coverage(variance: np.ndarray, error: np.ndarray) -> pd.DataFrame:
    """Return the share of errors among the most certain pixels, over the share of pixels (El-Yaniv and Wiener, 2010).

    Pixels of equal variance, to 7 decimals, count as drawn in random order: the risk is the expected one.

    Args:
        variance: of each pixel [N], in [0, 0.25].
        error: whether the pixel is wrong, bool [N].

    Returns:
        Up to 50 rows of rising coverage: `coverage` in (0, 1], `risk` in [0, 1], and the number `n` of pixels covered.

    Raises:
        UserError: lengths differ or are 0, or variances leave [0, 0.25].
    """
    return selective_risk(_checked(variance, error), error)


def risk_area(variance: np.ndarray, error: np.ndarray) -> RiskArea:
    """Return the area under the risk-coverage curve and its excess over the best order (Geifman et al., 2019).

    The area is the mean of the expected risk over all N coverages. The best order has all errors last.

    Args:
        variance: of each pixel [N], in [0, 0.25].
        error: whether the pixel is wrong, bool [N].

    Raises:
        UserError: lengths differ or are 0, or variances leave [0, 0.25].

    >>> risk_area(np.array([0.01, 0.02, 0.03, 0.2]), np.array([False, False, False, True]))
    RiskArea(area=0.0625, excess=0.0)
    """
    return selective_area(_checked(variance, error), error)


def weights_rank_errors(weight: np.ndarray, error: np.ndarray) -> float:
    """Return how well low weights point at errors: the AUROC of 1 - weight, NaN where all or none are wrong.

    Args:
        weight: weight of each pixel [N], in [0, 1].
        error: whether the pixel is wrong, bool [N].

    Raises:
        UserError: lengths differ or are 0, or weights leave [0, 1].
    """
    check_lists(weight=weight, error=error)
    check_range("weight", weight, 1.0)
    wrong = np.asarray(error, dtype=bool)
    # The order of 1 - weight without its rounding, which would merge small weights.
    return float(roc_auc_score(wrong, -np.asarray(weight))) if 0 < wrong.sum() < len(wrong) else np.nan


def _checked(variance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return variances without their rounding errors, after checking them."""
    check_lists(variance=variance, error=error)
    check_range("variance", variance, MAX_VARIANCE)
    return rounded(variance, DECIMALS)
