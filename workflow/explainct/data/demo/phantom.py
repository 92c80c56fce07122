"""Semi-synthetic lesions: a real shape with invented intensities on a real background.

Shape, texture, calcification and sharpness are those that LIDC's readers recorded; the background is lung of a real CT.
The intensities inside a lesion are not real.
"""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter, uniform_filter

from explainct.data.annotate.lidc_database import Annotation

AIR = -1024.0
GROUND_GLASS, SOLID = -650.0, 30.0
"""HU of a lesion of texture 1 and of texture 5."""
CALCIUM = 250.0
"""HU that calcification adds where all readers saw it."""
NO_CALCIFICATION = 6
REACH_MM = 5.0
"""How far around a lesion voxels change, and the noise of the background is measured."""

Point = tuple[float, float, float]


def choose_anchor(
    lungs: sitk.Image, *, block_mm: Point, around_mm: Point, avoid: tuple[Point, Point], generator: np.random.Generator
) -> Point:
    """Draw a place for a lesion well inside the lungs and return its patient position (x, y, z) in mm.

    A place qualifies if a block around it holds at least nine tenths as much lung as the best place.

    Args:
        lungs: 1 in the lungs, else 0; axes along x, y, z.
        block_mm: size (z, y, x) of the lesion's block in mm.
        around_mm: size (z, y, x) in mm of the block with its neighbours, which stays within the CT's z range and does
            not touch `avoid`.
        avoid: lowest and highest corner (x, y, z) in mm of the real CT's own lesion.
        generator: decides among the places that qualify.
    """
    spacing = np.array(lungs.GetSpacing()[::-1])
    inside = sitk.GetArrayFromImage(lungs).astype(np.float32)
    share = uniform_filter(inside, size=np.maximum(np.rint(block_mm / spacing), 1).astype(int), mode="constant")
    # All lengths are (z, y, x) from the centre of the first voxel here.
    low, high = (np.subtract(corner, lungs.GetOrigin())[::-1] for corner in avoid)
    places = np.meshgrid(*(np.arange(n) * step for n, step in zip(inside.shape, spacing, strict=True)), indexing="ij")
    half = np.divide(around_mm, 2)
    touches = np.all([(p > a - h) & (p < b + h) for p, a, b, h in zip(places, low, high, half, strict=True)], axis=0)
    top = (inside.shape[0] - 1) * spacing[0]
    share[touches | (places[0] < half[0]) | (places[0] > top - half[0])] = 0
    candidates = np.argwhere(share >= 0.9 * share.max())
    k, i, j = candidates[generator.integers(len(candidates))].tolist()
    return lungs.TransformIndexToPhysicalPoint((j, i, k))


def sample_background(
    ct: sitk.Image,
    *,
    anchor: Point,
    shape: tuple[int, int, int],
    centre: tuple[float, float, float],
    spacing: tuple[float, float, float],
    mirrored: bool,
) -> np.ndarray:
    """Resample the CT linearly so that `anchor` comes to lie at the index `centre` of a new grid.

    Args:
        ct: HU with axes along x, y, z.
        anchor: patient position (x, y, z) in mm.
        shape: voxels of the grid [D, H, W].
        centre: index (k, i, j), which may be fractional.
        spacing: voxel size (z, y, x) of the grid in mm.
        mirrored: whether left and right change places.

    Returns:
        HU as float32 [D, H, W]; -1024 outside the CT.
    """
    signs = np.array([-1.0 if mirrored else 1.0, 1.0, 1.0])
    grid = sitk.ResampleImageFilter()
    grid.SetInterpolator(sitk.sitkLinear)
    grid.SetDefaultPixelValue(AIR)
    grid.SetOutputPixelType(sitk.sitkFloat32)
    grid.SetSize(shape[::-1])
    grid.SetOutputSpacing(spacing[::-1])
    grid.SetOutputDirection(np.diag(signs).ravel().tolist())
    grid.SetOutputOrigin((np.array(anchor) - signs * np.multiply(centre, spacing)[::-1]).tolist())
    return sitk.GetArrayFromImage(grid.Execute(ct))


def render_lesion(
    background: np.ndarray,
    mask: np.ndarray,
    *,
    spacing: tuple[float, float, float],
    readers: Sequence[Annotation],
    generator: np.random.Generator,
) -> np.ndarray:
    """Draw a lesion into a background, with partial volume at its edge and the noise of the background.

    Args:
        background: HU [D, H, W].
        mask: the lesion's voxels [D, H, W], 1 inside.
        spacing: voxel size (z, y, x) in mm.
        readers: their ratings of texture (1 ground glass to 5 solid), calcification (6 absent) and margin (1 poorly
            defined to 5 sharp) decide HU and edge.
        generator: draws the noise.

    Returns:
        HU as float32 [D, H, W]; far from the lesion the background itself.
    """
    texture, margin = (np.mean([reader.ratings[name] for reader in readers]) for name in ("texture", "margin"))
    calcified = np.mean([reader.ratings["calcification"] != NO_CALCIFICATION for reader in readers])
    hu = GROUND_GLASS + (texture - 1) / 4 * (SOLID - GROUND_GLASS) + calcified * CALCIUM
    edge_mm = 0.3 + 0.2 * (5 - margin)
    result = background.copy()
    near = _box_around(mask, np.ceil(REACH_MM / np.array(spacing)).astype(int))
    share = gaussian_filter(mask[near].astype(np.float32), edge_mm / np.array(spacing))
    lesion = hu + _noise_like(background[near], generator)
    result[near] += share * (lesion - background[near])
    return result


def _box_around(mask: np.ndarray, reach: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box around the mask, `reach` voxels larger on each side, as an index."""
    voxels = np.argwhere(mask)
    start, stop = np.maximum(voxels.min(axis=0) - reach, 0), voxels.max(axis=0) + 1 + reach
    return tuple(slice(low, high) for low, high in zip(start.tolist(), stop.tolist(), strict=True))


def _noise_like(background: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return noise [D, H, W] in HU that is as rough in-plane as the background."""
    noise = gaussian_filter(generator.standard_normal(background.shape, dtype=np.float32), (0, 0.5, 0.5))
    return noise * (_roughness(background) / _roughness(noise))


def _roughness(array: np.ndarray) -> float:
    """Return the median deviation of voxels from their smoothed surroundings; vessels and edges hardly change it."""
    return float(np.median(np.abs(array - gaussian_filter(array, (0, 1, 1)))))
