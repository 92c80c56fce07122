"""The alarm of INFORMER (section 2, quality control alarm): predictions with a low score are flagged and swapped."""

import numpy as np

from explainct.errors import UserError

PUBLISHED_STEP = 0.001
"""Step of the published grid of thresholds (INFORMER, section 3)."""
NO_FLAG = -np.inf
"""The threshold that flags nothing."""


def f1_score(true_positives: np.ndarray, false_positives: np.ndarray, false_negatives: np.ndarray) -> np.ndarray:
    """Return F1 in [0, 1] from counts of any one shape; 0 where nothing is positive and nothing is called so."""
    called_or_positive = 2 * true_positives + false_positives + false_negatives
    return np.divide(
        2 * true_positives,
        called_or_positive,
        out=np.zeros_like(called_or_positive, float),
        where=called_or_positive > 0,
    )


def swapped(decided: np.ndarray, score: np.ndarray, threshold: float) -> np.ndarray:
    """Return the decisions, 0 or 1 [N], with those swapped whose score is below the threshold.

    Args:
        decided: decisions, 0 or 1 [N].
        score: low where a decision is doubtful [N].
        threshold: tau of the paper.
    """
    return np.where(score < threshold, 1 - decided, decided)


def exact_threshold(score: np.ndarray, label: np.ndarray, decided: np.ndarray) -> float:
    """Return the threshold whose swap has the highest F1, by a search over all that differ.

    F1 changes at distinct scores alone, so no other threshold is better on these samples. Of equally good ones it is
    the lowest, which flags fewest.

    Args:
        score: low where a decision is doubtful, on any scale [N].
        label: true labels, 0 or 1 [N].
        decided: decisions, 0 or 1 [N].

    Returns:
        A score of the samples, a number just above the highest one, or minus infinity where flagging none is best.

    Raises:
        UserError: a score is not a number.
    """
    ranked, f1 = _f1_by_flagged(score, label, decided)
    # Flagging the k lowest is possible where the next score is higher, and for all of them.
    possible = np.append(np.concatenate([[True], np.diff(ranked) > 0]), True)
    best = int(np.argmax(np.where(possible, f1, -1)))
    if best == 0:
        return NO_FLAG
    return float(ranked[best]) if best < len(ranked) else float(np.nextafter(ranked[-1], np.inf))


def grid_threshold(score: np.ndarray, label: np.ndarray, decided: np.ndarray, *, step: float = PUBLISHED_STEP) -> float:
    """Return the threshold of a grid from 0 to the highest score whose swap has the highest F1, as published.

    Args:
        score: low where a decision is doubtful, 0 and more [N].
        label: true labels, 0 or 1 [N].
        decided: decisions, 0 or 1 [N].
        step: distance of the thresholds.

    Raises:
        UserError: a score is not a number.
    """
    ranked, f1 = _f1_by_flagged(score, label, decided)
    thresholds = np.arange(0, ranked[-1] + step, step)
    return float(thresholds[np.argmax(f1[np.searchsorted(ranked, thresholds, side="left")])])


def _f1_by_flagged(score: np.ndarray, label: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted scores [N], and F1 after swapping the 0, 1 ... N lowest of them [N + 1]."""
    if not np.isfinite(score).all():
        raise UserError(
            f"{np.sum(~np.isfinite(score))} of {len(score)} scores of an alarm are not finite numbers. "
            "Train the classifier again with a lower learning rate."
        )
    order = np.argsort(score, kind="stable")
    label, decided = np.asarray(label)[order], np.asarray(decided)[order]
    right_positive, wrong_positive = decided * label, decided * (1 - label)
    missed, right_negative = (1 - decided) * label, (1 - decided) * (1 - label)

    def counts(before: np.ndarray, gained: np.ndarray, lost: np.ndarray) -> np.ndarray:
        return before.sum() + np.concatenate([[0], np.cumsum(gained - lost)])

    true_positives = counts(right_positive, missed, right_positive)
    false_positives = counts(wrong_positive, right_negative, wrong_positive)
    false_negatives = counts(missed, right_positive, missed)
    return np.asarray(score, np.float64)[order], f1_score(true_positives, false_positives, false_negatives)
