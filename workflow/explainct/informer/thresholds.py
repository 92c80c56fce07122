"""Thresholds of a class's probability, chosen on validation samples."""

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from explainct.errors import UserError


def youden_threshold(label: np.ndarray, probability: np.ndarray) -> float:
    """Return the probability from which samples are called positive with the best Youden index (INFORMER, section 3).

    The index is sensitivity plus specificity minus 1. Of equally good thresholds it is the highest.

    Args:
        label: true labels, 0 or 1, both present [N].
        probability: probability of label 1 [N].

    Raises:
        UserError: all labels are the same.
    """
    _check_both(label)
    false_rate, true_rate, thresholds = roc_curve(label, probability, drop_intermediate=False)
    # The first threshold is infinite and calls nothing positive.
    return float(thresholds[1:][np.argmax((true_rate - false_rate)[1:])])


def f1_threshold(label: np.ndarray, probability: np.ndarray) -> float:
    """Return the probability from which samples are called positive with the highest F1.

    Args:
        label: true labels, 0 or 1, both present [N].
        probability: probability of label 1 [N].

    Raises:
        UserError: all labels are the same.
    """
    _check_both(label)
    precision, recall, thresholds = precision_recall_curve(label, probability)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[np.argmax(f1[:-1])])


def entropy(probability: np.ndarray) -> np.ndarray:
    """Return the predictive entropy in bits of the probability of one label, in [0, 1] (INFORMER, Eq. 2).

    >>> entropy(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    p = np.asarray(probability, np.float64)
    parts = [np.where(q > 0, -q * np.log2(np.where(q > 0, q, 1)), 0.0) for q in (p, 1 - p)]
    return parts[0] + parts[1]


def _check_both(label: np.ndarray) -> None:
    values = set(np.unique(label).tolist())
    if values != {0, 1}:
        raise UserError(
            f"The validation labels of a class are {sorted(values)}, and a threshold needs both 0 and 1. "
            "Raise `monitoring.patients` or lower `monitoring.folds`."
        )
