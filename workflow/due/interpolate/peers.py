"""Ways to fill in hidden slices from all kept ones, for the study on native pixels.

A filler takes the kept slices, bool [A, h, w], their positions in mm [A], and the positions wanted in mm [M], each
between two of them. Outline fillers return signed distances in pixels [M, h, w], positive inside, whose zero level can
be moved.
"""

from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import center_of_mass, shift

from due.interpolate.classical import signed_distance_field

Filler = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def nearest(kept: np.ndarray, kept_mm: np.ndarray, wanted_mm: np.ndarray) -> np.ndarray:
    """Copy the nearer kept slice, the lower one at equal distance; returns 0 or 1."""
    below, t = _gaps(kept_mm, wanted_mm)
    return kept[below + (t > 0.5)].astype(float)


def linear(kept: np.ndarray, kept_mm: np.ndarray, wanted_mm: np.ndarray) -> np.ndarray:
    """Blend the two slices around; returns values in [0, 1]."""
    return _blend(kept.astype(float), kept_mm, wanted_mm)


def signed_distance(kept: np.ndarray, kept_mm: np.ndarray, wanted_mm: np.ndarray) -> np.ndarray:
    """Blend the signed distance fields of the two slices around (Raya and Udupa, 1990)."""
    return _blend(_fields(kept), kept_mm, wanted_mm)


def centroid_aligned(kept: np.ndarray, kept_mm: np.ndarray, wanted_mm: np.ndarray) -> np.ndarray:
    """Blend signed distance fields that were first moved so that both centroids lie on the line between them."""
    fields = _fields(kept)
    centroids = np.array([center_of_mass(mask) for mask in kept])
    places = _blend(centroids, kept_mm, wanted_mm)
    below, t = _gaps(kept_mm, wanted_mm)
    filled = np.empty((len(wanted_mm), *kept.shape[1:]))
    for number, (low, part, place) in enumerate(zip(below, t, places, strict=True)):
        moved = [shift(fields[k], place - centroids[k], order=1, mode="nearest") for k in (low, low + 1)]
        filled[number] = (1 - part) * moved[0] + part * moved[1]
    return filled


def cubic_spline(kept: np.ndarray, kept_mm: np.ndarray, wanted_mm: np.ndarray) -> np.ndarray:
    """Lay a natural cubic spline through the signed distance fields of all kept slices; a line where there are two."""
    return CubicSpline(kept_mm, _fields(kept), bc_type="natural")(wanted_mm)


def _fields(kept: np.ndarray) -> np.ndarray:
    return np.stack([signed_distance_field(mask) for mask in kept])


def _gaps(kept_mm: np.ndarray, wanted_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the kept slice below each wanted position, and the relative position above it in [0, 1]."""
    below = np.clip(np.searchsorted(kept_mm, wanted_mm, side="right") - 1, 0, len(kept_mm) - 2)
    t = (wanted_mm - kept_mm[below]) / (kept_mm[below + 1] - kept_mm[below])
    # Positions are written with few decimals; half-way must be half-way, or ties are broken by rounding errors.
    return below, np.round(t, 3)


def _blend(kept: np.ndarray, kept_mm: np.ndarray, wanted_mm: np.ndarray) -> np.ndarray:
    below, t = _gaps(kept_mm, wanted_mm)
    weight = t.reshape(-1, *(1,) * (kept.ndim - 1))
    return (1 - weight) * kept[below] + weight * kept[below + 1]


VALUES: dict[str, Filler] = {"nearest": nearest, "linear": linear}
"""Fillers that return values in [0, 1]."""

OUTLINES: dict[str, Filler] = {
    "signed_distance": signed_distance,
    "centroid_aligned": centroid_aligned,
    "cubic_spline": cubic_spline,
}
"""Fillers that return signed distances in pixels."""
