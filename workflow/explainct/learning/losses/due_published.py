"""DUE's explanation loss as its published code computes it."""

import torch
from torch import nn

from explainct.learning.losses.on_grid import OnGrid

ANNOTATED = 0.5
"""Interpolated annotations above it count as annotated."""

STEEPNESS = 5
"""Factor inside the hyperbolic tangent that makes explanations nearly binary."""


def published_loss(maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the sum of DUE's binary and continuous terms, as coded by its authors.

    With m = 1 where I > 0.5, and M the explanation, I the interpolated annotation, w the weight:
    the binary term is the sum of |tanh(5 (M - 0.5)) - m| w over the voxels with m = 1 of the whole batch, divided by
    their number; the continuous term is the mean of w |M - I| over all voxels.

    Known to be wrong: the binary term does not see voxels outside the annotation, so an explanation that covers
    everything scores like an exact one, and neither term is divided by the weights, so their scale acts as lambda.
    Use `weighted_cross_entropy` unless you compare with the publication.

    Args:
        maps: explanations [B, D, H, W] in [0, 1].
        target: interpolated annotations [B, D, H, W] in [0, 1].
        weights: voxel weights [B, D, H, W] in [0, 1].

    Returns:
        The loss, a scalar, not negative; its binary term is 0 in a batch without annotated voxels.
    """
    return binary_term(maps, target, weights) + (weights * (maps - target).abs()).mean()


def binary_term(maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the binary term alone, a scalar; arguments [B, D, H, W] as those of `published_loss`."""
    mask = (target > ANNOTATED).to(maps.dtype)
    difference = (torch.tanh(STEEPNESS * (maps - 0.5)) - mask).abs()
    return (mask * weights * difference).sum() / mask.sum().clamp_min(1)


def build_published_due(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build DUE's loss as published, on the grid."""
    return OnGrid(published_loss)
