"""Score how uncertain a slice is: by a method's own variance, and by references that know nothing of the method."""

import numpy as np

from explainct.due.interpolation.slice_scores import dice
from explainct.errors import UserError
from explainct.scoring.metrics.calibration import MAX_VARIANCE
from explainct.scoring.statistics.checks import check_range

REFERENCES = ("size", "disagreement")
"""Scores that know nothing of the method, and that its uncertainty must beat."""


def slice_score(probability: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the uncertainty of each slice: the sum of its variance over the sum of its mean, [M] in [0, 1].

    A sum over the slice alone would follow the size of the nodule. Draws of values in [0, 1] never exceed 1; a
    predictor that gives mean and variance apart may, and is cut to 1. Where nothing is predicted, the score is 0 if
    nothing is doubted and 1 if something is.

    Args:
        probability: mean of each pixel [M, h, w], in [0, 1].
        variance: variance of each pixel [M, h, w], in [0, 0.25].

    Raises:
        UserError: shapes differ, or values leave their ranges.
    """
    if probability.shape != variance.shape or probability.ndim != 3:
        raise UserError(
            f"The probabilities have the shape {probability.shape}, the variances {variance.shape}; "
            "equal shapes [M, h, w] were expected. Pass both of the same slices."
        )
    check_range("probability", probability, 1.0)
    check_range("variance", variance, MAX_VARIANCE)
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
        UserError: a hidden slice does not lie between two kept ones.
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
        UserError: shapes do not fit, or a hidden slice does not lie between two kept ones.
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
        UserError: shapes do not fit.
    """
    return _reader_distance(readers, masks)[hidden]


def _mean_around(values: np.ndarray, kept: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return the mean of a value of each slice [K] over the two kept slices around each hidden one [M]."""
    above = np.searchsorted(kept, hidden)
    if np.isin(hidden, kept).any() or (above == 0).any() or (above == len(kept)).any():
        raise UserError(
            f"The slices {np.asarray(hidden).tolist()} are hidden and {np.asarray(kept).tolist()} are kept; each "
            "hidden slice was expected between two kept ones. Leave out slices beside all kept ones."
        )
    return (values[kept[above - 1]] + values[kept[above]]) / 2


def _reader_distance(readers: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return 1 - the mean Dice of readers [R, K, h, w] with the consensus [K, h, w], by slice [K]."""
    if readers.ndim != 4 or readers.shape[1:] != masks.shape or len(readers) == 0:
        raise UserError(
            f"The readers' masks have the shape {readers.shape} and the consensus {masks.shape}; [R, K, h, w] and "
            "[K, h, w] were expected. Cut and pad both alike."
        )
    return 1 - np.mean([dice(reader, masks) for reader in readers], axis=0)
