"""Tie what networks say of a target slice to the annotated slices, cut at 0.5: exact on them, continuous beside them.

The logit that a pixel is inside is the evidence of the annotated slices plus a share of the network's answer. The
evidence of a slice is its signed distance over the distance to it, so that it decides alone where the distance goes to
0; the network's share goes to 0 there. The published interpolator has no such bridge: asked beside an annotated slice,
where no training example lies, it differs from that slice.
"""

import torch

from explainct.due.interpolation.classical import REACH

SLOPE = 2.0
"""Logit of one pixel of signed distance at one pixel of distance along z; of 0.5, 1 and 2 the best one on patients of
the study that do not test."""

LEAST_DISTANCE = 1e-3
"""Least distance along z, so that the evidence stays finite."""


def evidence(fields: torch.Tensor, distance: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Return the logit that annotated slices give to each pixel: the sum of their signed distances over distances.

    Between two slices that is their linear blend over half the harmonic mean of the distances.

    Args:
        fields: `clipped_field` of the slices [..., C, S, S] in [-1, 1].
        distance: distances along z from the target slice in pixels [..., C], not negative.
        shown: which slices count, bool [..., C].

    Returns:
        Logits [..., S, S]; 0 where no slice counts.
    """
    # Rounded to half precision, large logits would not be those of predictions.
    with torch.autocast(fields.device.type, enabled=False):
        weight = shown / distance.clamp(min=LEAST_DISTANCE)  # [..., C]
        return SLOPE * REACH * torch.einsum("...c,...cij->...ij", weight, fields)


def network_share(near: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
    """Return how much of the network's logit counts [...]: 4 t (1 - t), 0 on an annotated slice and 1 half-way.

    Args:
        near: distance to the annotated slice on one side, not negative [...].
        far: distance to that on the other side, in the same unit [...]; with 0 on both sides the share is 0.
    """
    return 4 * near * far / (near + far).clamp(min=LEAST_DISTANCE) ** 2
