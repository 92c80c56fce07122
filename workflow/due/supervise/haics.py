"""HAICS's explanation loss (Shen et al. 2021), as RES's paper compares with it: cross-entropy of map and annotation."""

import torch
from torch.nn.functional import binary_cross_entropy

from due.supervise.cells import CellLabels


def haics(maps: torch.Tensor, labels: CellLabels) -> torch.Tensor:
    """Return the mean cross-entropy of the labelled cells in nats, a scalar; 0 where none is labelled.

    Args:
        maps: explanations M [B, d, h, w] in [0, 1].
        labels: what annotations say of the cells.
    """
    entropy = binary_cross_entropy(maps, labels.share, reduction="none")
    labelled = labels.sign != 0
    return (entropy * labelled).sum() / labelled.sum().clamp_min(1)


def published_haics(maps: torch.Tensor, labels: CellLabels) -> torch.Tensor:
    """Return HAICS as coded by the authors of RES: the mean over all cells, times the share of labelled ones.

    The mask comes after the mean, so unlabelled cells are pushed to 0, and few labels make the loss small.

    Args:
        maps: explanations M [B, d, h, w] in [0, 1].
        labels: what annotations say of the cells.
    """
    return binary_cross_entropy(maps, labels.share) * (labels.sign != 0).to(maps.dtype).mean()
