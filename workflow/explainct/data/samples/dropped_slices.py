"""What is known of a lesion's slices whose annotation `annotate.keep_every` drops."""

import numpy as np


def nearest_annotated(annotated: np.ndarray) -> np.ndarray:
    """Return the number of the annotated slice nearest to each slice, counted in slices, the lower on ties [K].

    Args:
        annotated: which slices are annotated, at least one, bool [K].

    >>> nearest_annotated(np.array([True, False, True, False])).tolist()
    [0, 0, 2, 2]
    """
    known = np.flatnonzero(annotated)
    return known[np.abs(np.arange(len(annotated))[:, None] - known).argmin(1)]  # [K, 1] and [A] to [K]


def without_dropped(consensus: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """Return what is known of a consensus [K, h, w]: dropped slices are as the annotated slice nearest to each.

    Args:
        consensus: what the readers agree on, 0 or 1 [K, h, w].
        annotated: slices that stay annotated, bool [K]; the other filled ones are dropped.
    """
    dropped = consensus.any(axis=(1, 2)) & ~annotated
    if not dropped.any():
        return consensus
    return np.where(dropped[:, None, None], consensus[nearest_annotated(annotated)], consensus)
