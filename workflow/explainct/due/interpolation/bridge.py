"""Tie what networks say of a target slice to the annotated slices, cut at 0.5: exact on them, continuous beside them.

The logit that a pixel is inside is the evidence of the annotated slices plus a share of the network's answer. The
evidence of a slice is its signed distance over the distance to it, so that it decides alone where the distance goes to
0; the network's share goes to 0 there. From `REACH_PX` on the network answers alone. This project's
interpolator without it did so everywhere: asked beside an annotated slice, where no training example lies, it differed
from that slice. Pixels are those of the slice patch, which are the scan's where a lesion is not shrunk.
"""

import torch

from explainct.due.interpolation.classical import REACH

SLOPE = 2.0
"""Logit of one pixel of signed distance at one pixel of distance along z, where the network counts little."""

REACH_PX = 1.0
"""Distance along z in pixels from which on a slice gives no evidence and the network answers alone: the least distance
from an annotated slice to the targets that teach it is about as long where the lesion is not shrunk."""

LEAST_DISTANCE = 1e-3
"""Least distance along z, so that the evidence stays finite."""


def evidence(fields: torch.Tensor, distance: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Return the logit that annotated slices give to each pixel: the sum of their signed distances over distances.

    Of 1 / distance only what is above 1 / `REACH_PX` counts, so that evidence fades out there.

    Args:
        fields: `clipped_field` of the slices [..., C, S, S] in [-1, 1].
        distance: distances along z from the target slice in pixels [..., C], not negative.
        shown: which slices count, bool [..., C].

    Returns:
        Logits [..., S, S]; 0 where no slice counts.
    """
    # Rounded to half precision, large logits would not be those of predictions.
    with torch.autocast(fields.device.type, enabled=False):
        near = 1 / distance.clamp(min=LEAST_DISTANCE) - 1 / REACH_PX
        weight = shown * near.clamp(min=0)  # [..., C]
        return SLOPE * REACH * torch.einsum("...c,...cij->...ij", weight, fields)


def network_share(distance: torch.Tensor) -> torch.Tensor:
    """Return how much of the network's logit counts [...]: 0 on an annotated slice, rising to 1 at `REACH_PX`.

    Args:
        distance: distance along z to the nearer annotated slice in pixels, not negative [...].
    """
    return (distance / REACH_PX).clamp(max=1)
