"""Operations as modules of their own, so that relevance can be propagated through each of them by a rule."""

import torch
from torch import nn


class Sum(nn.Module):
    """The sum of two tensors of one shape, as at the end of a residual block."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return first + second


class MeanPool(nn.Module):
    """The mean over all positions."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the mean [B, C] of features [B, C, d, h, w]."""
        return features.mean((2, 3, 4))
