"""HAICS's explanation loss (Shen et al. 2021), as RES's paper compares with it: cross-entropy of map and annotation."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy

from explainct.learning.losses.feature_cells import CellLabels
from explainct.learning.losses.on_cells import OnCells

EDGE = 0.01
"""How far from 0 and 1 explanations are kept: scaled ones hold both, where cross-entropy has no bound."""


def haics(maps: torch.Tensor, labels: CellLabels) -> torch.Tensor:
    """Return the mean cross-entropy of the labelled cells, a scalar in [0, 4.7] nats; 0 where none is labelled.

    Args:
        maps: explanations M [B, d, h, w] in [0, 1].
        labels: what annotations say of the cells.
    """
    entropy = binary_cross_entropy(maps.clamp(EDGE, 1 - EDGE), labels.share, reduction="none")
    labelled = labels.sign != 0
    return (entropy * labelled).sum() / labelled.sum().clamp_min(1)


def published_haics(maps: torch.Tensor, labels: CellLabels) -> torch.Tensor:
    """Return HAICS as coded by the authors of RES: the mean over all cells, times the share of labelled ones.

    The mask comes after the mean, so unlabelled cells are pushed to 0, and few labels make the loss small. A cell of 0
    or 1 with the other label counts 100 nats, where torch cuts the logarithm off.

    Args:
        maps: explanations M [B, d, h, w] in [0, 1].
        labels: what annotations say of the cells.
    """
    return binary_cross_entropy(maps, labels.share) * (labels.sign != 0).to(maps.dtype).mean()


def build_haics(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build HAICS's loss on cells."""
    return OnCells(haics)


def build_published_haics(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build HAICS's loss as the authors of RES coded it."""
    return OnCells(published_haics, published=True)
