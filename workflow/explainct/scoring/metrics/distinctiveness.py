"""How much the maps of an image's classes differ from each other (INFORMER, section 2)."""

import torch


def distinctiveness(maps: torch.Tensor) -> torch.Tensor:
    """Return the distinctiveness of each class: the sum of its map's cosine distances to the maps of all others.

    With unit maps s_i of C classes it is d_i = (C - 1) - s_i . sum_j s_j + |s_i|^2 (INFORMER, Eq. 1, in O(C) in place
    of O(C^2)). The last term, which is 1, is written out since a map of zeros has no direction: its cosine with any
    other counts as 0, and so its distance as 1. A single class has no other, and a distinctiveness of 0.

    Args:
        maps: maps [B, C, ...] of any sign; their scale does not matter.

    Returns:
        float64 [B, C], each in [0, 2 (C - 1)]; small where maps are alike.

    >>> distinctiveness(torch.tensor([[[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]])).tolist()
    [[2.0, 2.0, 2.0]]
    """
    flat = maps.flatten(2).double()
    length = torch.linalg.vector_norm(flat, dim=2, keepdim=True)
    unit = torch.where(length > 0, flat / length.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    with_all = (unit * unit.sum(1, keepdim=True)).sum(2)
    own = unit.square().sum(2)
    # Rounding must not make a distance of 0 negative: d < 0 would be flagged by a threshold of 0.
    return ((maps.shape[1] - 1) - with_all + own).clamp(0, 2 * (maps.shape[1] - 1))
