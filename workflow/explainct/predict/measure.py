"""Measure a filled lesion: volume, axes and size bands, each with an interval that says what the gaps leave open."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull
from scipy.stats import norm

from explainct.predict.fill_lesions import INSIDE

LEVELS = 20
"""Steps in which the probability is cut, to draw shapes from it."""

DRAWS = 2000

CORRELATION = 0.8
"""Correlation of the errors of a lesion's filled slices."""

INTERVAL = (0.05, 0.95)

CORNERS = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])


@dataclass(frozen=True)
class Estimate:
    """A number and its 90 % interval; without an interval both ends are None."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measures:
    """What is measured of a lesion.

    Attributes:
        volume_mm3: voxels times their size.
        long_mm: largest distance between two points of the slice of the largest area.
        short_mm: its width across that.
        diameter_mm: mean of the two.
        slice: the slice of the largest area, index of the scan.
        share_outlined: share of the volume that lies on annotated slices.
    """

    volume_mm3: Estimate
    long_mm: Estimate
    short_mm: Estimate
    diameter_mm: Estimate
    slice: int
    share_outlined: float


def axes_mm(mask: np.ndarray, spacing: Sequence[float]) -> tuple[float, float]:
    """Return the long axis of a slice's mask [H, W] and its width across that, in mm, from pixel edge to pixel edge.

    Args:
        mask: the slice.
        spacing: size (y, x) of a pixel in mm.

    >>> axes_mm(np.ones((3, 4), bool), (1.0, 1.0))
    (5.0, 4.8)
    """
    if not mask.any():
        return 0.0, 0.0
    # The ends of its rows make the hull of a shape.
    rows = np.flatnonzero(mask.any(1))
    ends = mask[rows].argmax(1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(1)
    pixels = np.stack([np.tile(rows, 2), np.concatenate(ends)], axis=1)  # [N, 2]
    corners = ((pixels[:, None] + CORNERS) * spacing).reshape(-1, 2)
    hull = corners[ConvexHull(corners).vertices]  # [N, 2]
    between = hull[:, None] - hull[None]  # [N, N, 2]
    length = np.linalg.norm(between, axis=2)
    first, second = np.unravel_index(length.argmax(), length.shape)
    along = between[first, second] / length.max()
    across = hull @ np.array([-along[1], along[0]])
    return round(float(length.max()), 9), round(float(np.ptp(across)), 9)


def measure(
    probability: np.ndarray,
    annotated: np.ndarray,
    *,
    first: int,
    spacing: Sequence[float],
    with_interval: bool,
    generator: np.random.Generator,
) -> Measures:
    """Measure a lesion, and draw its filled slices to say how sure that is.

    A drawn slice is the probability cut at a random level, so that all of a slice is large or small together; the
    levels of the slices of a lesion are correlated. Their correlation was set so that 90 % intervals of volume hold
    the truth in nodules that taught the model; coverage on test patients was known too, so it tests nothing.

    Args:
        probability: of being lesion, [K, h, w] in [0, 1]; 0 or 1 on annotated slices.
        annotated: numbers of the annotated slices [A].
        first: index in the scan of the first slice.
        spacing: voxel size (z, y, x) in mm.
        with_interval: whether the probabilities are a model's; those of signed distances are no probabilities.
        generator: source of the draws.
    """
    voxel = float(np.prod(spacing))
    masks = probability >= INSIDE
    areas = masks.sum((1, 2))
    largest = int(areas.argmax())
    long, short = axes_mm(masks[largest], spacing[1:])
    value = {"volume_mm3": areas.sum() * voxel, "long_mm": long, "short_mm": short, "diameter_mm": (long + short) / 2}
    filled = np.setdiff1d(np.arange(len(masks)), annotated)
    ends: dict[str, tuple[float, float]] = {}
    if with_interval:
        ends = _intervals(probability, filled, spacing, generator)
    estimates = {name: Estimate(float(number), *ends.get(name, (None, None))) for name, number in value.items()}
    share = float(areas[annotated].sum() / max(areas.sum(), 1))
    return Measures(**estimates, slice=first + largest, share_outlined=share)


def _intervals(
    probability: np.ndarray,
    filled: np.ndarray,
    spacing: Sequence[float],
    generator: np.random.Generator,
) -> dict[str, tuple[float, float]]:
    """Return the 90 % interval of each measure over draws of the filled slices."""
    cuts = 1 - (np.arange(LEVELS) + 0.5) / LEVELS  # [L], from small shapes to large ones
    area, axes = np.zeros((len(probability), LEVELS)), np.zeros((len(probability), LEVELS, 2))
    for k, plane in enumerate(probability):
        shapes = plane >= cuts[:, None, None] if k in filled else (plane >= INSIDE)[None]  # [L, h, w] or [1, h, w]
        area[k] = shapes.sum((1, 2))
        axes[k] = [axes_mm(shape, spacing[1:]) for shape in shapes]
    level = np.zeros((DRAWS, len(probability)), int)  # [T, K]
    level[:, filled] = draw_levels(len(filled), generator)
    areas = area[np.arange(len(probability)), level]  # [T, K]
    largest = areas.argmax(1)  # [T]
    drawn = axes[largest, level[np.arange(DRAWS), largest]]  # [T, 2]
    values = {
        "volume_mm3": areas.sum(1) * float(np.prod(spacing)),
        "long_mm": drawn[:, 0],
        "short_mm": drawn[:, 1],
        "diameter_mm": drawn.mean(1),
    }
    return {name: tuple(np.quantile(drawn, INTERVAL).tolist()) for name, drawn in values.items()}


def draw_levels(slices: int, generator: np.random.Generator, correlation: float = CORRELATION) -> np.ndarray:
    """Return which of the levels each of `slices` slices is cut at in each draw, int [T, M] from 0 to 19."""
    common, own = generator.standard_normal((DRAWS, 1)), generator.standard_normal((DRAWS, slices))
    normal = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    return np.minimum((norm.cdf(normal) * LEVELS).astype(int), LEVELS - 1)


SOLID_MM, VOLUME_MM3 = (6.0, 8.0, 15.0), (113.0, 268.0, 1767.0)
"""Limits between the size bands of solid nodules in Lung-RADS 1.1, by mean diameter and by volume."""


def size_band(estimate: Estimate, limits: Sequence[float], unit: str) -> str:
    """Return between which limits a number lies, or `uncertain` where its interval holds one of them.

    >>> size_band(Estimate(7.0, 6.5, 7.6), (6, 8, 15), "mm")
    '6 to 8 mm'
    >>> size_band(Estimate(7.0, 5.5, 7.6), (6, 8, 15), "mm")
    'uncertain'
    """
    ends = [end for end in (estimate.low, estimate.value, estimate.high) if end is not None]
    places = {int(np.searchsorted(limits, end, side="right")) for end in ends}
    if len(places) > 1:
        return "uncertain"
    edges = ["", *(f"{limit:g}" for limit in limits), ""]
    low, high = edges[places.pop() :][:2]
    if not low:
        return f"below {high} {unit}"
    return f"{low} to {high} {unit}" if high else f"{low} {unit} or more"
