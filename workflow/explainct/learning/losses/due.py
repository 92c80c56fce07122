"""The explanation loss of this project's `due` and `baseline_plus`."""

import torch
from torch import nn

from explainct.learning.losses.on_grid import OnGrid


def weighted_l1(maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean of the absolute difference between explanations and annotations.

    This is the explanation loss of DUE (equation 2) with the weight on the loss, where the published code has it; the
    equation puts it on the annotation and so asks for empty explanations where the annotation is uncertain. Two
    things differ from the published code (`due_published`). The sum is divided by the sum of the weights, so that
    their scale does not act as a second lambda. And the published binary term is left out: it looks at annotated
    voxels only, hence rates an explanation that covers everything as high as the annotation itself. The difference
    here counts at every voxel and pushes both ways.

    Args:
        maps: explanations [B, D, H, W] in [0, 1].
        target: annotations [B, D, H, W] in [0, 1].
        weights: voxel weights [B, D, H, W], not negative; equal ones give the plain mean (`baseline_plus`).

    Returns:
        The loss, a scalar in [0, 1]; 0 if all weights are 0.

    >>> maps, target = torch.tensor([[[[1.0, 0.5]]]]), torch.tensor([[[[1.0, 0.0]]]])
    >>> weighted_l1(maps, target, weights=torch.tensor([[[[3.0, 1.0]]]])).item()
    0.125
    """
    total = weights.sum()
    return (weights * (maps - target).abs()).sum() / torch.where(total > 0, total, 1)


def build_weighted_l1(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build the weighted L1 on the grid."""
    return OnGrid(weighted_l1)
