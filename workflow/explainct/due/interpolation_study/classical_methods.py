"""Fill in hidden slices from all kept ones by classical methods, for the study on native pixels.

A filler takes the kept slices, bool [A, h, w], their positions in mm [A], and the target positions in mm [M], each
between two of them. Outline fillers return signed distances in pixels [M, h, w], positive inside, whose zero level can
be moved.
"""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import center_of_mass, shift

from explainct.due.interpolation.classical import signed_distance_field

Filler = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

log = logging.getLogger(__name__)


def nearest(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Copy the nearer kept slice, the lower one at equal distance; returns 0 or 1."""
    below, t = _gaps(kept_mm, target_mm)
    return kept[below + (t > 0.5)].astype(float)


def linear(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Blend the two slices around; returns values in [0, 1]."""
    return _blend(kept.astype(float), kept_mm, target_mm)


def signed_distance(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Blend the signed distance fields of the two slices around (Raya and Udupa, 1990)."""
    return _blend(_fields(kept), kept_mm, target_mm)


def centroid_aligned(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Blend signed distance fields that were first moved so that both centroids lie on the line between them."""
    fields = _fields(kept)
    centroids = np.array([center_of_mass(mask) for mask in kept])
    places = _blend(centroids, kept_mm, target_mm)
    below, t = _gaps(kept_mm, target_mm)
    filled = np.empty((len(target_mm), *kept.shape[1:]))
    for number, (low, part, place) in enumerate(zip(below, t, places, strict=True)):
        moved = [shift(fields[k], place - centroids[k], order=1, mode="nearest") for k in (low, low + 1)]
        filled[number] = (1 - part) * moved[0] + part * moved[1]
    return filled


def cubic_spline(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Lay a natural cubic spline through the signed distance fields of all kept slices; a line where there are two."""
    return CubicSpline(kept_mm, _fields(kept), bc_type="natural")(target_mm)


def morphological(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Halve gaps by median shapes with ITK's filter, which 3D Slicer's "Fill between slices" runs; returns 0 or 1.

    Zukić et al. (2016), "ND morphological contour interpolation", Insight Journal, hdl 10380/3563. With ITK's defaults,
    along the axis of slices, on one thread. ITK counts slices, not mm: kept and target positions together should be
    equally spaced, as the slices of a scan are. It moves shapes by whole pixels and halves gaps at whole slices, so of
    two slices at thirds one gets the shape half-way, and upside down is not always the same. It takes an empty kept
    slice for one to fill in, and loses shapes without an inner pixel, one whose four neighbours are inside too: slices
    beside a kept one that has no inner pixel come out empty. `morphological_filled` fills them.

    Raises:
        ImportError: ITK is not installed; `available_values` tells beforehand.
    """
    itk, interpolator = _load_itk()
    places = np.union1d(kept_mm, target_mm)
    volume = np.zeros((len(places), *kept.shape[1:]), np.uint8)
    volume[np.searchsorted(places, kept_mm)] = kept
    run = interpolator.New()
    run.SetInput(itk.image_from_array(volume))
    run.SetAxis(2)  # ITK counts axes from the fastest: columns, rows, slices.
    run.Update()
    filled = itk.array_from_image(run.GetOutput())
    return filled[np.searchsorted(places, target_mm)].astype(float)


def morphological_filled(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """Fill as `morphological` does, and copy the nearer kept slice where that leaves a slice empty; returns 0 or 1."""
    filled = morphological(kept, kept_mm, target_mm)
    empty = ~filled.any(axis=(1, 2))
    filled[empty] = nearest(kept, kept_mm, target_mm[empty])
    return filled


def _load_itk() -> tuple[ModuleType, Any]:
    """Return ITK and its morphological interpolator of 8-bit volumes."""
    import itk

    # By its public name ITK loads every module that this one is built on, which takes five times as long.
    from itk.itkMorphologicalContourInterpolatorPython import itkMorphologicalContourInterpolatorIUC3

    # With more threads, release 2.1.2 crashes most processes as they end, after the work is done; ITK's pull request
    # 6209 tells a likely cause. Limiting the work units of this one filter does not help.
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)
    return itk, itkMorphologicalContourInterpolatorIUC3


def _fields(kept: np.ndarray) -> np.ndarray:
    return np.stack([signed_distance_field(mask) for mask in kept])


def _gaps(kept_mm: np.ndarray, target_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the kept slice below each target position, and the relative position above it in [0, 1]."""
    below = np.clip(np.searchsorted(kept_mm, target_mm, side="right") - 1, 0, len(kept_mm) - 2)
    t = (target_mm - kept_mm[below]) / (kept_mm[below + 1] - kept_mm[below])
    # Positions are written with few decimals; half-way must be half-way, or ties are broken by rounding errors.
    return below, np.round(t, 3)


def _blend(kept: np.ndarray, kept_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    below, t = _gaps(kept_mm, target_mm)
    weight = t.reshape(-1, *(1,) * (kept.ndim - 1))
    return (1 - weight) * kept[below] + weight * kept[below + 1]


VALUES: dict[str, Filler] = {"nearest": nearest, "linear": linear}
"""Fillers that return values in [0, 1] and need nothing but the library; `available_values` has all of them."""

OUTLINES: dict[str, Filler] = {
    "signed_distance": signed_distance,
    "centroid_aligned": centroid_aligned,
    "cubic_spline": cubic_spline,
}
"""Fillers that return signed distances in pixels."""


def available_values() -> dict[str, Filler]:
    """Return `VALUES` and, where ITK is installed, the two fillers that need it; else one line of the log says so.

    ITK is loaded here, which takes seconds, so that no filler's time holds it.
    """
    try:
        _load_itk()
    except ImportError:
        log.info("ITK is not installed: no morphological interpolation. `pip install --group itk` in .venv adds it.")
        return dict(VALUES)
    return VALUES | {"morphological": morphological, "morphological_filled": morphological_filled}
