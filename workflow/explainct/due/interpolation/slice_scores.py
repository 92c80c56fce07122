"""Score filled slices against known ones: overlap, Brier score, and the pixels that count."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt

REGION_PIXELS = 3.0
"""Slices are scored within this distance (pixels) of the contexts' shapes, which uses no truth."""


def pooled(values: Sequence[np.ndarray], regions: Sequence[np.ndarray]) -> np.ndarray:
    """Return the values [M, S, S] of all gaps within their regions, as one list."""
    return np.concatenate([slices[region] for slices, region in zip(values, regions, strict=True)])


def dice(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the Dice overlap [M] in [0, 1] of slices [M, S, S], both counted as inside from 0.5; 1 if both are empty.

    Half-way between two slices many methods give exactly 0.5 to many pixels; counting those in favours them.

    >>> dice(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]])).round(6).tolist()
    [0.666667]
    """
    a, b = predicted >= 0.5, truth >= 0.5
    both, total = (a & b).sum((1, 2)), a.sum((1, 2)) + b.sum((1, 2))
    return np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)


def brier(predicted: np.ndarray, truth: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the mean squared error [M] in [0, 1] of slices [M, S, S] within regions, bool [M, S, S]."""
    return np.mean((predicted - truth) ** 2, axis=(1, 2), where=region)


def region_of(contexts: np.ndarray) -> np.ndarray:
    """Return which pixels [S, S] lie within 3 pixels of the shapes in contexts [2, S, S]; all if there are none."""
    shapes = (contexts > 0).any(axis=0)
    return distance_transform_edt(~shapes) <= REGION_PIXELS if shapes.any() else ~shapes
