"""From blocks to the network's grid: one rule of coordinates for images, masks and annotated slices.

A block with K slices is resampled with corners aligned, so plane g of D lies at source index g (K - 1) / (D - 1), and
its z is interpolated at that index in the measured z of the slices.
DUE's published code uses the same rule for images (trilinear); for masks it takes another (`resize_mask_by_floor`).
"""

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from explainct.data.samples.blocks import KEPT, block_box, lesion_box
from explainct.runtime.volume import Box


def spacing_of(lesion: pd.Series) -> tuple[float, float, float]:
    """Return the voxel size (z, y, x) in mm of the scan of a row of `lesions.parquet`; z by the mean step."""
    return float(lesion.spacing_z), float(lesion.spacing_y), float(lesion.spacing_x)


def scan_shape_of(lesion: pd.Series) -> tuple[int, int, int]:
    """Return the voxels [D, H, W] of the scan of a row of `lesions.parquet`."""
    return int(lesion.scan_slices), int(lesion.scan_rows), int(lesion.scan_columns)


def block_of(lesion: pd.Series, margin_mm: float, *, kept: bool = False) -> Box:
    """Return the block of a row of `lesions.parquet`: its box with a margin around it, in scan indices.

    Args:
        lesion: the row.
        margin_mm: margin in mm; it is a number of whole slices by the scan's mean step.
        kept: take the box that no dropped slice sets, in place of that of all slices.
    """
    box = lesion_box(lesion, KEPT if kept else "")
    return block_box(box, spacing_of(lesion), margin_mm, scan_shape_of(lesion))


def block_z(lesion: pd.Series, block: Box) -> np.ndarray:
    """Return the measured z [K] in mm, ascending, of the slices of a block in the scan of a lesion."""
    return np.asarray(lesion.scan_z_mm, dtype=np.float64)[block.slices[0]]


def paste(consensus: np.ndarray, lesion: pd.Series, block: Box) -> np.ndarray:
    """Return the mask [K, H, W] of `block` that holds the lesion's `consensus` [k, h, w] at its place, 0 elsewhere.

    What lies outside the block is cut off.
    """
    mask, box = np.zeros(block.shape, np.uint8), lesion_box(lesion)
    common = box.overlap(block)
    mask[common.seen_from(block).slices] = consensus[common.seen_from(box).slices]
    return mask


def _nearest(source: int, target: int) -> np.ndarray:
    """Return the nearest of `source` positions for each of `target` aligned positions; the lower one on ties."""
    position = np.arange(target) * ((source - 1) / max(target - 1, 1))
    return np.ceil(position - 0.5).astype(int).clip(0, source - 1)


def resize_mask(mask: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """Return a mask [K, h, w] on the grid [D, H, W], each voxel taking its nearest source voxel."""
    k, i, j = (_nearest(source, target) for source, target in zip(mask.shape, grid, strict=True))
    return mask[np.ix_(k, i, j)]


def resize_mask_by_floor(mask: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """Return a mask [K, h, w] on the grid [D, H, W], voxel g of D taking source voxel floor(g K / D).

    DUE's published code resizes masks so, in torch's mode `nearest`, though its images have their corners aligned.
    """
    return interpolate(torch.from_numpy(mask)[None, None], grid, mode="nearest")[0, 0].numpy()


def resize_image(image: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """Return an image [K, h, w] on the grid [D, H, W], trilinear with corners aligned, as float32."""
    tensor = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None]
    return interpolate(tensor, grid, mode="trilinear", align_corners=True)[0, 0].numpy()


def annotated_planes(annotated: np.ndarray, depth: int) -> np.ndarray:
    """Return the grid plane [A] nearest to each annotated slice of a block, given flags [K] per slice, ascending.

    The published code places annotated slices at round(linspace(0, D - 1, K)); this is the same for a block whose
    slices are all annotated. Two slices may share a plane where the block has more slices than the grid has planes.
    """
    slices = np.flatnonzero(annotated)
    return np.rint(slices * ((depth - 1) / max(len(annotated) - 1, 1))).astype(int)


def grid_spacing(lesion: pd.Series, block: Box, grid: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return the mean distance of neighbouring grid voxels (z, y, x) in mm; corners of block and grid are aligned.

    Args:
        lesion: the row of `lesions.parquet` in whose scan the block lies.
        block: the block in voxels of the scan; one of a single voxel along an axis counts as one voxel long.
        grid: voxels of the grid (D, H, W).
    """
    lengths = np.maximum(np.subtract(block.shape, 1), 1) * np.array(spacing_of(lesion))
    if block.shape[0] > 1:
        lengths[0] = np.ptp(block_z(lesion, block))
    return tuple((lengths / np.maximum(np.subtract(grid, 1), 1)).tolist())


def window_hu(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Map HU in `window` (low, high) linearly to [0, 1] and clip the rest; float32 of the same shape."""
    low, high = window
    return np.clip((image.astype(np.float32) - low) / (high - low), 0, 1)


def slice_minmax(image: np.ndarray) -> np.ndarray:
    """Map each slice of an image [K, h, w] to [0, 1] by its own extremes, as published; constant slices to 0."""
    image = image.astype(np.float32)
    low, high = image.min((1, 2), keepdims=True), image.max((1, 2), keepdims=True)
    return (image - low) / np.where(high > low, high - low, 1)
