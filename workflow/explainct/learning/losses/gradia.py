"""GRADIA's explanation loss (Gao et al. 2022), as RES's paper compares with it: L1 between map and annotation."""

import torch
from torch import nn

from explainct.learning.losses.feature_cells import CellLabels
from explainct.learning.losses.on_cells import OnCells


def gradia(maps: torch.Tensor, labels: CellLabels) -> torch.Tensor:
    """Return the mean of |M - F| over the counted cells, a scalar in [0, 1]; 0 where none counts.

    Args:
        maps: explanations M [B, d, h, w] in [0, 1].
        labels: what annotations say of the cells; F is the annotated share.
    """
    difference = (maps - labels.share).abs() * labels.counted
    return difference.sum() / labels.counted.sum().clamp_min(1)


def build_gradia(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build GRADIA's loss on cells."""
    return OnCells(gradia)


def build_published_gradia(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build GRADIA's loss on cells that are labelled and scaled as the code of RES does."""
    return OnCells(gradia, published=True)
