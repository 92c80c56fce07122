"""DUE's explanation loss as its published code computes it."""

import torch
from torch import nn

from explainct.learning.losses.on_grid import OnGrid

STEEPNESS = 5
"""Factor inside the hyperbolic tangent that makes explanations nearly binary."""


def published_loss(maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the sum of DUE's binary and continuous terms, as coded by its authors.

    With M the explanation, I the interpolated annotation, m the mask, w the weight: the binary term is the sum of
    |tanh(5 (M - 0.5)) - m| w over the voxels with m = 1 of the whole batch, divided by their number; the continuous
    term is the mean of w |M - I| over all voxels of the samples that have a voxel with m = 1, since only these are
    explained.

    Known to be wrong: the binary term does not see voxels outside the mask, so an explanation that covers
    everything scores like an exact one, and neither term is divided by the weights, so their scale acts as lambda.
    Use `weighted_cross_entropy` unless you compare with the publication.

    Args:
        maps: explanations [B, D, H, W] in [0, 1].
        target: interpolated annotations [B, D, H, W] in [0, 1].
        weights: voxel weights [B, D, H, W] in [0, 1].
        mask: annotated voxels [B, D, H, W], 0 or 1.

    Returns:
        The loss, a scalar, not negative; 0 for a batch without annotated voxels.
    """
    explained = mask.flatten(1).amax(1)  # [B]
    difference = (weights * (maps - target).abs()).flatten(1).mean(1)  # [B]
    continuous = (explained * difference).sum() / explained.sum().clamp_min(1)
    return binary_term(maps, weights, mask) + continuous


def binary_term(maps: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the binary term alone, a scalar; arguments [B, D, H, W] as those of `published_loss`."""
    difference = (torch.tanh(STEEPNESS * (maps - 0.5)) - mask).abs()
    return (mask * weights * difference).sum() / mask.sum().clamp_min(1)


def build_published_due(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build DUE's loss as published, on the grid."""
    return OnGrid(published_loss)
