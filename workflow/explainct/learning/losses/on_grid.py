"""Losses of explanations on the grid of the annotation, as DUE compares them."""

from collections.abc import Callable

import torch
from torch import nn

from explainct.learning.explain.postprocess import postprocess


class OnGrid(nn.Module):
    """A loss of explanations on the grid: positive part, upsampled, min-max scaled, as in DUE's published code.

    Args:
        compare: explanations and what they are compared with, each [B, D, H, W], to a scalar.
    """

    def __init__(self, compare: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.compare = compare

    def forward(self, maps: torch.Tensor, target: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Return the loss of raw maps [B, d, h, w] against annotation, weights and other arrays [B, D, H, W]."""
        return self.compare(postprocess(maps, tuple(target.shape[1:]), "due"), target, *others)
