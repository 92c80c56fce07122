"""Tell what is known and what is missing of a lesion's annotation on the planes of the network's grid."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from explainct.data.ingest.scan_space import plane_z
from explainct.data.samples.resample import annotated_planes, block_z, paste, resize_mask
from explainct.errors import UserError
from explainct.runtime.volume import Box

ROUNDED = 6
"""Decimals of distances in mm that are compared: far below any slice spacing, far above the rounding of positions."""


@dataclass(frozen=True)
class Planes:
    """The planes of a lesion's grid [D, H, W].

    Attributes:
        nearest: annotation by the nearest annotated slice, 0 or 1 [D, H, W] uint8.
        annotated: planes that hold an annotated slice [D] bool.
        missing: indices of the planes strictly between annotated slices that hold none [N], ascending.
        lower: for each missing plane, the annotated slice below it, counted from 0 among the A annotated ones [N].
        t: relative position of each missing plane between the annotated slices around it [N], in (0, 1).
        z_mm: positions of the annotated slices in mm [A].
    """

    nearest: np.ndarray
    annotated: np.ndarray
    missing: np.ndarray
    lower: np.ndarray
    t: np.ndarray
    z_mm: np.ndarray


def lay_planes(
    *,
    consensus: np.ndarray,
    annotated: np.ndarray,
    lesion: pd.Series,
    block: Box,
    grid: tuple[int, int, int],
) -> Planes:
    """Lay a lesion's annotated slices on the grid of its block.

    Slices that are not annotated and lie between annotated ones count as unknown: nothing here depends on them.
    Outside the annotated slices the consensus is empty, and that is known. Slices lie at their measured z, and the z of
    planes is interpolated between them.

    Args:
        consensus: the consensus mask of the lesion's box, 0 or 1 [k, h, w].
        annotated: slices that the method may see [k] bool.
        lesion: its row of `lesions.parquet`.
        block: its block, in scan indices; it has all annotated slices.
        grid: D, H and W.

    Raises:
        UserError: no slice is annotated.
    """
    if not annotated.any():
        raise UserError(
            f"Lesion {lesion.lesion_id} has no annotated slice, and supervision needs one. "
            "Lower `annotate.consensus`, or leave its series out with `ingest.exclude`."
        )
    slice_z = block_z(lesion, block)
    flags = np.zeros(block.shape[0], bool)
    flags[lesion.k_start - block.start[0] + np.flatnonzero(annotated)] = True
    known_z = slice_z[flags]
    seen = paste(consensus * annotated[:, None, None].astype(np.uint8), lesion, block)
    z = plane_z(slice_z, grid[0])
    holds = np.zeros(grid[0], bool)
    holds[annotated_planes(flags, grid[0])] = True
    inside = (z > known_z[0]) & (z < known_z[-1])
    # An annotated slice's own plane shows that slice, even where a coarse grid puts another slice nearer to it.
    # Halfway between two slices the lower one is nearest, whatever way rounding goes.
    closest = np.abs(z[:, None] - known_z).round(ROUNDED).argmin(1)  # [D, 1] and [A] to [D]
    slices = resize_mask(seen[flags], (len(known_z), *grid[1:]))  # [A, H, W]
    nearest = np.where((inside | holds)[:, None, None], slices[closest], resize_mask(seen, grid))
    missing = np.flatnonzero(inside & ~holds)
    lower = np.searchsorted(known_z, z[missing], side="right") - 1
    t = (z[missing] - known_z[lower]) / (known_z[lower + 1] - known_z[lower])
    return Planes(nearest.astype(np.uint8), holds, missing, lower, t, known_z)
