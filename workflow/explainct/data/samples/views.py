"""Views of nodules: several images of one nodule, each on another of its middle slices, with mask and box.

A nodule qualifies as in CF-Align's later repository, as far as it says: three or four readers, three slices with a
consensus or more, and no more than 40 mm.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter

from explainct.data.samples.nodules import IMAGES, why_left_out
from explainct.errors import UserError
from explainct.runtime.hdf5 import writing_hdf5

LARGEST_MM = 40.0
"""Largest extent in-plane in mm."""
FEWEST_SLICES = 3
MASKS = "mask"
"""The dataset of masks in HDF5 files of views: uint8 [N, 1, H, W], 1 inside the nodule."""


def why_without_views(readers: int, consensus: np.ndarray, spacing: tuple[float, float, float]) -> str:
    """Say in a sentence why a nodule has no views; empty if it has.

    Args:
        readers: number of its readers.
        consensus: its voxels, 0 or 1 [K, h, w].
        spacing: voxel size (z, y, x) in mm.
    """
    if reason := why_left_out(readers, consensus, spacing):
        return reason
    if consensus.any(axis=(1, 2)).sum() < FEWEST_SLICES:
        return f"It has fewer than {FEWEST_SLICES} slices with a consensus."
    return f"It is larger than {LARGEST_MM:g} mm." if extent_mm(consensus, spacing) > LARGEST_MM else ""


def extent_mm(consensus: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Return the larger side in mm of the box around a nodule in-plane, over all slices; 0 for an empty one.

    >>> extent_mm(np.ones((2, 3, 4)), (2.0, 0.5, 0.5))
    2.0
    """
    sides = [np.flatnonzero(consensus.any(axis=axes)) for axes in ((0, 2), (0, 1))]
    extents = [float(np.ptp(side) + 1) * mm for side, mm in zip(sides, spacing[1:], strict=True) if len(side)]
    return max(extents, default=0.0)


def view_slices(consensus: np.ndarray, views: int, generator: np.random.Generator) -> list[tuple[int, float, float]]:
    """Draw slices of the middle third of a nodule, and return where its centre lies on each: slice, row, column.

    No slice is drawn twice before each was drawn once.

    Args:
        consensus: its voxels, 0 or 1 [K, h, w], not empty.
        views: number of slices.
        generator: decides.
    """
    filled = np.flatnonzero(consensus.any(axis=(1, 2)))
    third = len(filled) // 3
    middle = filled[third : len(filled) - third]
    drawn = np.concatenate([generator.permutation(middle) for _ in range(-(-views // len(middle)))])[:views]
    return [(int(k), *np.argwhere(consensus[k]).mean(axis=0).tolist()) for k in drawn]


@contextmanager
def writing_views(path: Path, shape: tuple[int, int, int]) -> Iterator["ViewWriter"]:
    """Yield what appends views to an HDF5 file, which is written whole or not at all.

    Args:
        path: the file.
        shape: voxels of an image [D, H, W].
    """
    with writing_hdf5(path) as file:
        yield ViewWriter(file, shape)


class ViewWriter:
    """Append images and masks to an open HDF5 file."""

    def __init__(self, file: h5py.File, shape: tuple[int, int, int]) -> None:
        self.images, self.masks = (
            file.create_dataset(name, (0, *shape), kind, chunks=(1, *shape), maxshape=(None, *shape))
            for name, kind in ((IMAGES, np.int16), (MASKS, np.uint8))
        )

    def __len__(self) -> int:
        return len(self.images)

    def append(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Append an image in HU and a mask of 0 and 1, both [D, H, W]."""
        row = len(self.images)
        for dataset, array in ((self.images, image), (self.masks, mask)):
            dataset.resize(row + 1, axis=0)
            dataset[row] = array


def read_masks(views_file: Path, rows: np.ndarray) -> np.ndarray:
    """Return masks of views, uint8 [N, 1, H, W], 0 or 1.

    Args:
        views_file: the HDF5 file of views.
        rows: which of them [N].

    Raises:
        UserError: a mask is empty or covers its whole image, so that nothing lies inside or outside.
    """
    with h5py.File(views_file) as file:
        masks = file[MASKS][:][rows]
    inside = masks.reshape(len(masks), -1).mean(axis=1)
    wrong = np.flatnonzero((inside == 0) | (inside == 1))
    if len(wrong):
        what = "covers the whole image" if inside[wrong[0]] else "is empty"
        raise UserError(
            f"{views_file} has a mask in row {rows[wrong[0]]} that {what} ({len(wrong)} such masks), and a nodule is a "
            "part of its image. Delete the file and repeat, with another `counterfactual.size`."
        )
    return masks


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Return the filled bounding boxes of masks, uint8 of the same shape [N, 1, H, W]; an empty one stays empty."""
    boxes = np.zeros_like(masks)
    for box, mask in zip(boxes, masks, strict=True):
        where = np.argwhere(mask)
        if len(where):
            box[tuple(slice(low, high + 1) for low, high in zip(where.min(0), where.max(0), strict=True))] = 1
    return boxes


def dilated(masks: np.ndarray, voxels: int) -> np.ndarray:
    """Return masks [N, 1, H, W] grown in-plane by a square of `voxels` on each side; 0 leaves them as they are."""
    if voxels == 0:
        return masks
    edge = 2 * voxels + 1
    return maximum_filter(masks, size=(1, 1, edge, edge), mode="constant")


def view_table(nodules: pd.DataFrame, views: int) -> pd.DataFrame:
    """Return a row a view of the nodules that are used: their columns, with `view_id` and `row` of the view's image.

    Args:
        nodules: a row a nodule, with `lesion_id` and `row`, the number of its first view.
        views: views of a nodule, which lie behind each other.
    """
    table = nodules.loc[nodules.index.repeat(views)].reset_index(drop=True)
    number = np.tile(np.arange(views), len(nodules))
    table["row"] += number
    table.insert(0, "view_id", [f"{name}-v{n}" for name, n in zip(table["lesion_id"], number, strict=True)])
    return table
