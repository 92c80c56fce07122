"""Losses of explanations on the cells of the feature map, as the papers of the 2D methods compare them."""

from collections.abc import Callable

import torch
from torch import nn

from explainct.learning.losses.feature_cells import (
    CellLabels,
    cell_labels,
    published_cell_labels,
    published_scale_cells,
    scale_cells,
)


class OnCells(nn.Module):
    """A loss of explanations on the cells of the feature map.

    Args:
        compare: scaled maps [B, d, h, w] and labels to a scalar.
        published: labels and scaling as the code of RES has them.
    """

    def __init__(
        self, compare: Callable[[torch.Tensor, CellLabels], torch.Tensor] | nn.Module, *, published: bool = False
    ) -> None:
        super().__init__()
        self.compare, self.published = compare, published

    def forward(self, maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of raw maps [B, d, h, w] against annotation and weights [B, D, H, W]."""
        scale, label = (published_scale_cells, published_cell_labels) if self.published else (scale_cells, cell_labels)
        return self.compare(scale(maps), label(target, weights, tuple(maps.shape[1:])))
