"""Cut slice patches: a lesion's annotated slices as square images, at native resolution where they fit.

Patches depend on a lesion's annotated slices alone, not on the network's grid: `grid_lines` and `from_patches` put
filled patches on it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch

from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.resample import spacing_of
from explainct.due.interpolation.classical import clipped_field
from explainct.due.interpolation.hidden_slices import PAD, Nodule
from explainct.errors import UserError
from explainct.runtime.volume import Box

MULTIPLE = 8
"""Edges of patches are multiples of it, since networks halve them up to three times."""


@dataclass(frozen=True)
class Place:
    """Where a patch lies in a lesion's box, whose pixel (0, 0) is centred at (0, 0).

    Attributes:
        first_row, first_column: centre of patch pixel (0, 0) in pixels of the box, mostly negative or fractional.
        row_step, column_step: pixels of the box per patch pixel.
    """

    first_row: float
    first_column: float
    row_step: float
    column_step: float


@dataclass(frozen=True, eq=False)
class LesionPatches:
    """The annotated slices of one lesion as patches.

    Attributes:
        lesion_id: name of the lesion.
        patches: share of annotation per pixel, float32 [A, S, S] in [0, 1], z ascending.
        z_mm: position of each patch, float64 [A] in mm, ascending.
        pixel_mm: size of a patch pixel in mm.
        patient_id: whose lesion it is.
        place: where the patches lie in the lesion's box.
        disagreement: share of readers who outlined a pixel minus `patches`, float32 [A, S, S] in [-1, 1]; 0 for one.
    """

    lesion_id: str
    patches: np.ndarray
    z_mm: np.ndarray
    pixel_mm: float
    patient_id: str
    place: Place
    disagreement: np.ndarray

    @property
    def size(self) -> int:
        """Edge of the patches in pixels, S."""
        return self.patches.shape[-1]

    @cached_property
    def fields(self) -> np.ndarray:
        """Signed distance fields of the patches, float32 [A, S, S] in [-1, 1]; see `clipped_field`."""
        return np.stack([clipped_field(patch) for patch in self.patches])


def choose_place(box_shape: tuple[int, int], spacing: tuple[float, float], largest: int) -> tuple[Place, int]:
    """Return where the patch of a box lies and its edge S: the box in the middle, `PAD` patch pixels or more around it.

    Patch pixels are square and as large as the coarser spacing, so where pixels are square the patch is a crop. A box
    too large for that gets a patch of the largest edge, whose pixels are as large as it needs.

    Args:
        box_shape: pixels (h, w) of the box.
        spacing: size (y, x) of its pixels in mm.
        largest: largest edge of a patch in pixels.

    Raises:
        UserError: `largest` is not a multiple of 8, or leaves no room between the margins.
    """
    if largest % MULTIPLE or largest <= 2 * PAD:
        raise UserError(
            f"The largest patch (`interpolate.size`) is {largest} pixels, but must be a multiple of {MULTIPLE} "
            f"above {2 * PAD}, for a margin of {PAD} pixels on each side. Set it to 32, for example."
        )
    steps = max(spacing) / np.asarray(spacing)
    # NIfTI headers round spacings: nearly square pixels count as square.
    steps[np.isclose(steps, 1, rtol=1e-4)] = 1
    needed = np.max(box_shape / steps) + 2 * PAD
    size = MULTIPLE * int(np.ceil(needed / MULTIPLE))
    if size > largest:
        size = largest
        steps = np.max(np.multiply(box_shape, spacing)) / (largest - 2 * PAD) / np.asarray(spacing)
    first = (np.asarray(box_shape) - 1) / 2 - steps * (size - 1) / 2
    row, column = np.where(steps == 1, np.floor(first), first).tolist()
    return Place(row, column, *steps.tolist()), size


def to_patches(mask: np.ndarray, place: Place, size: int) -> np.ndarray:
    """Return a mask [A, h, w] as patches, float32 [A, S, S] in [0, 1]: the share of each patch pixel that is annotated.

    That is a copy at native resolution and a mean where the patch shrinks the mask. Outside the mask all is 0.

    Args:
        mask: 0 or 1, or probability, over the lesion's box.
        place: where the patches lie in the box.
        size: edge of a patch in pixels, S.
    """
    rows = _shares(place.first_row + place.row_step * np.arange(size), place.row_step, mask.shape[1])
    columns = _shares(place.first_column + place.column_step * np.arange(size), place.column_step, mask.shape[2])
    # Rounding may leave the range by one bit.
    return (rows @ torch.from_numpy(mask.astype(np.float32)) @ columns.T).clamp(0, 1).numpy()


def from_patches(patches: np.ndarray | torch.Tensor, place: Place, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the values of patches [N, S, S] at native positions, float32 [N, H, W]: bilinear, 0 outside the patch.

    Args:
        patches: values of any range; tensors may lie on any device.
        place: where the patches lie in the lesion's box.
        rows: positions in rows of the box [H], fractional or outside it where need be.
        columns: positions in columns of the box [W].
    """
    # On the CPU, since an accelerator may round the products to less than float32.
    tensor = patches if isinstance(patches, torch.Tensor) else torch.from_numpy(np.array(patches, np.float32))
    values = tensor.detach().cpu().float()
    across = _shares((rows - place.first_row) / place.row_step, 1, values.shape[1])
    along = _shares((columns - place.first_column) / place.column_step, 1, values.shape[2])
    return (across @ values @ along.T).numpy()


def _shares(centres: np.ndarray, width: float, length: int) -> torch.Tensor:
    """Return which share of each interval, of `width` around `centres` [n], lies in each of `length` unit pixels.

    For intervals of width 1 these are the weights of linear interpolation.
    """
    pixels = np.arange(length)
    start = np.maximum(centres[:, None] - width / 2, pixels - 0.5)  # [n, 1] and [length] to [n, length]
    stop = np.minimum(centres[:, None] + width / 2, pixels + 0.5)
    return torch.from_numpy((stop - start) / width).clamp_min(0).float()


def grid_lines(lesion: pd.Series, block: Box, grid: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return where the lines of the network's grid [D, H, W] lie: rows [H] and columns [W] of the lesion's box.

    Args:
        lesion: its row of `lesions.parquet`.
        block: its block, in scan indices.
        grid: D, H and W.
    """
    box = lesion_box(lesion)
    rows, columns = (
        block.start[axis] - box.start[axis] + np.linspace(0, block.shape[axis] - 1, grid[axis]) for axis in (1, 2)
    )
    return rows, columns


def load_patches(*, lesions: pd.DataFrame, slices_file: Path, size: int) -> list[LesionPatches]:
    """Return the annotated slices of `lesions` as patches, ordered by lesion; slices kept as truth are not read.

    Args:
        lesions: rows of the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        size: largest edge of a patch in pixels.

    Raises:
        UserError: the file of slices lacks one of the lesions, or `size` is no possible edge.
    """
    with h5py.File(slices_file) as file:
        return [_lesion_patches(file, lesion, size) for _, lesion in lesions.sort_values("lesion_id").iterrows()]


def _lesion_patches(file: h5py.File, lesion: pd.Series, largest: int) -> LesionPatches:
    if lesion.lesion_id not in file:
        raise UserError(
            f"{file.filename} has no slices of lesion {lesion.lesion_id}, which the table of lesions lists. "
            "Delete both files and run the workflow again."
        )
    group = file[lesion.lesion_id]
    annotated = np.flatnonzero(group["annotated"][:])
    spacing = spacing_of(lesion)[1:]
    consensus, readers = group["consensus"][annotated], group["readers"][:, annotated]  # [A, h, w], [R, A, h, w]
    place, size = _place_around(consensus.any(0) | readers.any((0, 1)), spacing, largest)
    patches = to_patches(consensus, place, size)
    disagreement = to_patches(readers.mean(0), place, size) - patches
    z_mm = group["z_mm"][:][annotated].astype(np.float64)
    return LesionPatches(
        lesion.lesion_id, patches, z_mm, place.row_step * spacing[0], lesion.patient_id, place, disagreement
    )


def _place_around(annotated: np.ndarray, spacing: tuple[float, float], largest: int) -> tuple[Place, int]:
    """Return the place of a patch around annotated pixels [h, w] of a lesion's box, and its edge, as `choose_place`.

    A box can be much larger than the annotation: that of a pancreas around its tumour.
    """
    extents = [np.flatnonzero(annotated.any(axis)) for axis in (1, 0)]
    if not len(extents[0]):
        return choose_place(annotated.shape, spacing, largest)
    (top, bottom), (left, right) = ((extent[0], extent[-1] + 1) for extent in extents)
    place, size = choose_place((bottom - top, right - left), spacing, largest)
    return replace(place, first_row=place.first_row + top, first_column=place.first_column + left), size


def patches_of(nodule: Nodule, size: int) -> LesionPatches:
    """Return all slices of a nodule as patches; their place is one in `nodule.masks`, whose margin is the patch's too.

    Args:
        nodule: the nodule, with `PAD` pixels around its outlines.
        size: largest edge of a patch in pixels.

    Raises:
        UserError: `size` is no possible edge.
    """
    h, w = (pixels - 2 * PAD for pixels in nodule.masks.shape[1:])
    place, edge = choose_place((h, w), (nodule.pixel_mm, nodule.pixel_mm), size)
    place = replace(place, first_row=place.first_row + PAD, first_column=place.first_column + PAD)
    patches, pixel_mm = to_patches(nodule.masks, place, edge), place.row_step * nodule.pixel_mm
    disagreement = to_patches(nodule.readers.mean(0), place, edge) - patches
    return LesionPatches(nodule.lesion_id, patches, nodule.z_mm, pixel_mm, nodule.patient_id, place, disagreement)
