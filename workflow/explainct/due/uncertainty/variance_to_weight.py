"""Map variance to weight: how much a voxel of a filled annotation counts (DUE, section 4.3)."""

import numpy as np

from explainct.scoring.metrics.calibration import MAX_VARIANCE


def published_weights(variance: np.ndarray) -> np.ndarray:
    """Return the paper's weights of a gap: a flipped sigmoid of the variance, then min-max over the gap.

    The min-max erases scale: the most certain voxel of a gap has weight 1 and the least certain 0, however small
    their difference. A gap of one variance everywhere has weight 0, as in the authors' code.

    Args:
        variance: variance of a gap's voxels, in [0, 0.25] [M, H, W].

    Returns:
        Weights in [0, 1] of the same shape, falling with variance.

    >>> published_weights(np.array([0.0, 0.001])).tolist()
    [1.0, 0.0]
    """
    # In double precision, so that rounding does not merge variances that differ.
    flipped = 1 / (1 + np.exp(variance.astype(np.float64)))
    low, high = flipped.min(), flipped.max()
    return (flipped - low) / (high - low or 1)


def absolute_weights(variance: np.ndarray) -> np.ndarray:
    """Return 1 - variance / 0.25: weight 1 where all draws agree, 0 where they are split evenly between 0 and 1.

    Args:
        variance: variance of voxels, in [0, 0.25], of any shape.

    Returns:
        Weights in [0, 1] of the same shape, falling with variance.

    >>> absolute_weights(np.array([0.0, 0.125, 0.25])).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.clip(1 - variance / MAX_VARIANCE, 0, 1)


MAPPINGS = {"absolute": absolute_weights, "published": published_weights}
"""The mappings from variance to weight, by the name that the setting `uncertainty.mapping` gives them."""
