"""Interpolate between two slices by classical methods, which a learned interpolator has to beat."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import distance_transform_edt

SHIFTS = np.arange(-0.25, 1.0, 0.1)
"""How far outlines are moved outwards, in pixels, to tune a method; none makes a tie at an exact midpoint."""

REACH = 6.0
"""Distance in pixels from an outline beyond which clipped fields are constant."""


def nearest(contexts: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Copy the nearer of two slices; the first one at equal distance.

    Args:
        contexts: two slices [2, S, S] in [0, 1].
        t: relative positions [M] in [0, 1].

    Returns:
        Slices [M, S, S] in [0, 1].

    >>> two = np.array([[[0.0]], [[1.0]]])
    >>> nearest(two, np.array([0.25, 0.5, 0.75])).ravel().tolist()
    [0.0, 0.0, 1.0]
    """
    return contexts[(np.asarray(t) > 0.5).astype(int)]


def linear(contexts: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Blend two slices in proportion to their nearness.

    Args:
        contexts: two slices [2, S, S] in [0, 1].
        t: relative positions [M] in [0, 1].

    Returns:
        Slices [M, S, S] in [0, 1].

    >>> two = np.array([[[0.0]], [[1.0]]])
    >>> linear(two, np.array([0.25, 0.5, 0.75])).ravel().tolist()
    [0.25, 0.5, 0.75]
    """
    return _blend(contexts, t)


def signed_distance(contexts: np.ndarray, t: np.ndarray, *, bias: float = 0.0) -> np.ndarray:
    """Blend the signed distances to the outlines of two slices (Raya and Udupa, 1990).

    The result passes from 0 to 1 over one pixel, so that two equal binary slices give that slice.

    Args:
        contexts: two slices [2, S, S] in [0, 1]; values of 0.5 and more are inside.
        t: relative positions [M] in [0, 1].
        bias: how far the outline is moved outwards, in pixels; blending shrinks shapes.

    Returns:
        Slices [M, S, S] in [0, 1], 0.5 on the outline.
    """
    distances = np.stack([signed_distance_field(context >= 0.5) for context in contexts])
    return np.clip(_blend(distances, t) + bias + 0.5, 0, 1)


def signed_distance_field(mask: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel to the mask's outline in pixels [S, S], positive inside.

    The outline runs half-way between pixels. Without an outline, all is as far from it as the patch allows.

    >>> signed_distance_field(np.array([[False, True, True, True, False, False]])).tolist()
    [[-0.5, 0.5, 1.5, 0.5, -0.5, -1.5]]
    """
    diagonal = float(np.hypot(*mask.shape))
    if mask.all() or not mask.any():
        return np.where(mask, diagonal, -diagonal)
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    return np.where(mask, inside - 0.5, 0.5 - outside)


def clipped_field(patch: np.ndarray) -> np.ndarray:
    """Return what networks see of a patch: its signed distance field, float32 [S, S] in [-1, 1].

    Beyond `REACH` pixels from the outline the field is constant, so that a shape looks the same wherever else it ends.

    Args:
        patch: share of annotation [S, S] in [0, 1]; 0.5 and more is inside.
    """
    return (np.clip(signed_distance_field(patch >= 0.5), -REACH, REACH) / REACH).astype(np.float32)


def _blend(pair: np.ndarray, t: np.ndarray) -> np.ndarray:
    weight = np.asarray(t, dtype=float)[:, None, None]
    return (1 - weight) * pair[0] + weight * pair[1]


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "nearest": nearest,
    "linear": linear,
    "signed_distance": signed_distance,
}
"""Classical interpolators by name, each from contexts [2, S, S] and t [M] to slices [M, S, S]."""
