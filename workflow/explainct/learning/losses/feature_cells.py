"""Explanations and labels on the cells of the last feature map, where the methods of the 2D papers compare them."""

from typing import NamedTuple

import torch
from torch.nn.functional import adaptive_avg_pool3d, interpolate, relu

INSIDE = 0.5
"""Annotation above it is inside."""

PUBLISHED_EPSILON = 1e-6
SMALLEST_MAXIMUM = 1e-12


class CellLabels(NamedTuple):
    """What annotations say of the cells of a feature map.

    Attributes:
        mask: annotated voxels on the grid, float [B, D, H, W], 0 or 1.
        share: share of a cell's labelled voxels that is annotated [B, d, h, w] in [0, 1].
        sign: H = F - C of RES: 1 annotated, -1 labelled as not annotated, 0 unlabelled [B, d, h, w].
        counted: cells that the continuous terms count, bool [B, d, h, w].
    """

    mask: torch.Tensor
    share: torch.Tensor
    sign: torch.Tensor
    counted: torch.Tensor


def cell_labels(target: torch.Tensor, weights: torch.Tensor, cells: tuple[int, int, int]) -> CellLabels:
    """Return labels by area: a cell is annotated where half of its labelled voxels are, or as many as in any other.

    Readers looked at the whole of a slice that they annotated, so what they left out there is labelled as not
    annotated; planes of weight 0 are unlabelled.

    Args:
        target: annotations [B, D, H, W] in [0, 1].
        weights: voxel weights [B, D, H, W]; voxels of weight 0 are unlabelled.
        cells: cells of the feature map (d, h, w).
    """
    seen = (weights > 0).to(target.dtype)
    mask = (target > INSIDE).to(target.dtype) * seen
    labelled, inside = adaptive_avg_pool3d(torch.stack([seen, mask], dim=1), cells).unbind(1)
    counted = labelled > 0
    share = inside / torch.where(counted, labelled, 1)
    most = share.flatten(1).amax(1).clamp(max=INSIDE)[:, None, None, None]
    annotated = (share >= most) & (share > 0)
    return CellLabels(mask, share, annotated.to(target.dtype) - (counted & ~annotated).to(target.dtype), counted)


def published_cell_labels(target: torch.Tensor, _: torch.Tensor, cells: tuple[int, int, int]) -> CellLabels:
    """Return labels as the code of RES reads them: the first voxel of each cell, and nothing is labelled as outside.

    So an annotation within a cell can vanish, and labels lie half a cell off; the continuous terms count all cells.

    Args:
        target: annotations [B, D, H, W] in [0, 1].
        cells: cells of the feature map (d, h, w).
    """
    mask = (target > INSIDE).to(target.dtype)
    first = interpolate(mask[:, None], cells, mode="nearest")[:, 0]
    return CellLabels(mask, first, first, torch.ones_like(first, dtype=torch.bool))


def scale_cells(maps: torch.Tensor) -> torch.Tensor:
    """Return the positive part of raw maps [B, d, h, w] over its maximum, in [0, 1] (RES, section 4.1)."""
    positive = relu(maps)
    return positive / positive.flatten(1).amax(1).clamp_min(SMALLEST_MAXIMUM)[:, None, None, None]


def published_scale_cells(maps: torch.Tensor) -> torch.Tensor:
    """Return raw maps [B, d, h, w] scaled by minimum and maximum, as the code of RES does, without a positive part.

    Some cell is 0 and some about 1 even where a map is flat but for noise, or all negative.
    """
    above = maps - maps.flatten(1).amin(1)[:, None, None, None]
    return above / (above.flatten(1).amax(1) + PUBLISHED_EPSILON)[:, None, None, None]
