"""Weighted cross-entropy on the cells of a map: the loss of this project's `due`, its ablations and `baseline_plus`."""

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool3d, relu

from explainct.learning.losses.feature_cells import SMALLEST_MAXIMUM, scale_cells

FLOOR = 0.01
"""A cell of value 0 counts as this probability, and one of value 1 as 1 minus it, so that the loss is bounded."""

STRENGTH = 10.0
"""Factor of the loss; of 1, 3 and 10 it gave the best explanations on validation patients of the demo. The compared
methods have losses of their own scales, and the published `train.lambda` of 1."""


def weighted_cross_entropy(maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross-entropy between explanations and annotations on the cells of the feature map.

    This is the explanation loss of DUE (equation 2) with the weight on the loss, where the published code has it; the
    equation puts it on the annotation and so asks for empty explanations where the annotation is uncertain. The
    published code compares on the grid by absolute differences (`due_published`). A cell of the map covers thousands of
    voxels, and an absolute difference is least at the median of them: a cell of which less than half is annotated is
    asked to be empty, and the map that scores best covers less than half of the annotation. Here a cell is asked for
    the annotated share of its voxels, each counted by its weight, and the cell counts by the mean weight of its voxels.

    Explanations are the positive part of the map over its maximum. That alone would leave a map without a positive
    value as it is, so annotated cells are also pulled up from below 0. Gradients are multiplied by the map's largest
    absolute value: explanations do not depend on the scale of the map, and so how strongly they are supervised does
    not either.

    Args:
        maps: raw maps [B, d, h, w], of either sign.
        target: annotations [B, D, H, W] in [0, 1].
        weights: voxel weights [B, D, H, W], not negative; equal ones for `baseline_plus`.

    Returns:
        The loss, a scalar, not negative: `STRENGTH` times the mean over samples; 0 for samples whose weights are all 0.
    """
    weight, share = annotated_share(target, weights, tuple(maps.shape[1:]))
    probability = FLOOR + (1 - 2 * FLOOR) * scale_cells(maps)
    cost = -share * probability.log() - (1 - share) * (1 - probability).log() + share * _below_zero(maps)
    total = weight.flatten(1).sum(1)
    loss = (weight * cost).flatten(1).sum(1) / torch.where(total > 0, total, 1)  # [B]
    size = maps.detach().abs().flatten(1).amax(1)
    return STRENGTH * (loss.detach() + size * (loss - loss.detach())).mean()


def annotated_share(
    target: torch.Tensor, weights: torch.Tensor, cells: tuple[int, int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each cell's mean weight and its annotated share, voxels counted by their weight, both [B, d, h, w].

    Args:
        target: annotations [B, D, H, W] in [0, 1].
        weights: voxel weights [B, D, H, W], not negative.
        cells: cells of the feature map (d, h, w).
    """
    weight, inside = adaptive_avg_pool3d(torch.stack([weights, weights * target], dim=1), cells).unbind(1)
    return weight, inside / torch.where(weight > 0, weight, 1)


def _below_zero(maps: torch.Tensor) -> torch.Tensor:
    """Return how far cells lie below 0, over the map's largest absolute value [B, d, h, w], in [0, 1]."""
    largest = maps.abs().flatten(1).amax(1).clamp_min(SMALLEST_MAXIMUM)
    return relu(-maps) / largest[:, None, None, None]


class _WeightedCrossEntropy(nn.Module):
    """`weighted_cross_entropy` as a module."""

    def forward(self, maps: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of raw maps [B, d, h, w] against annotation and weights [B, D, H, W]."""
        return weighted_cross_entropy(maps, target, weights)


def build_weighted_cross_entropy(_cells: tuple[int, int, int], _grid: tuple[int, int, int]) -> nn.Module:
    """Build the weighted cross-entropy on cells."""
    return _WeightedCrossEntropy()
