"""Encode where target slices lie among the annotated ones, as the uncertainty predictor sees it.

Only absolute differences of positions enter, so that shifting or mirroring z changes nothing.
"""

import math
from typing import NamedTuple

import numpy as np
import torch

from explainct.due.interpolation.bridge import evidence
from explainct.due.interpolation.classical import clipped_field

WAVELENGTHS_MM = (4.0, 8.0, 16.0, 32.0, 64.0)
"""Wavelengths of the Fourier features of a distance."""

COORDINATES = 2 * len(WAVELENGTHS_MM) + 4
"""Number of features that `coordinates` returns."""


class Around(NamedTuple):
    """Where a target lies among the contexts.

    Attributes:
        distance: distance from each target to each context in mm [B, M, C], 0 for contexts that are not shown.
        below: share of each context in the nearest one below the target [B, M, C]; all 0 where there is none.
        above: the same above the target; a context at the target's own place is on both sides.
        below_mm: distance to the nearest context below in mm [B, M], 0 where there is none.
        above_mm: the same above.
        between: whether there is a context on both sides, bool [B, M].
    """

    distance: torch.Tensor
    below: torch.Tensor
    above: torch.Tensor
    below_mm: torch.Tensor
    above_mm: torch.Tensor
    between: torch.Tensor

    @property
    def nearest(self) -> torch.Tensor:
        """Share of each context in the linear blend at the target [B, M, C]; the nearest one has all on one side."""
        span = self.below_mm + self.above_mm
        t = torch.where(span > 0, self.below_mm / span.clamp(min=1e-6), 0.5)[..., None]  # [B, M, 1]
        blend = (1 - t) * self.below + t * self.above
        return torch.where(self.between[..., None], blend, self.below + self.above)


class Known(NamedTuple):
    """The annotated slices of gaps; 0 where one is not shown.

    Attributes:
        contexts: the slices, probabilities [B, C, S, S].
        fields: their `outline_fields` [B, C, S, S].
        z: their positions in mm [B, C].
        shown: which of them are shown, bool [B, C].
        pixel_mm: size of a patch pixel in mm [B].
    """

    contexts: torch.Tensor
    fields: torch.Tensor
    z: torch.Tensor
    shown: torch.Tensor
    pixel_mm: torch.Tensor

    @classmethod
    def of(
        cls,
        contexts: torch.Tensor,
        z: torch.Tensor,
        shown: torch.Tensor,
        pixel_mm: torch.Tensor,
        fields: torch.Tensor | None,
    ) -> "Known":
        """Return slices of which those that are not shown are 0; fields that are not at hand are computed."""
        plane = shown[..., None, None]  # [B, C, 1, 1]
        contexts = torch.where(plane, contexts, 0)
        fields = outline_fields(contexts) if fields is None else fields
        return cls(contexts, torch.where(plane, fields, 0), torch.where(shown, z, 0), shown, pixel_mm)

    @property
    def middle(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Half-way between the outermost shown contexts, and the distance between them, [B, 1] in mm."""
        first = self.z.masked_fill(~self.shown, torch.inf).amin(1, keepdim=True)
        last = self.z.masked_fill(~self.shown, -torch.inf).amax(1, keepdim=True)
        return (first + last) / 2, last - first


def outline_fields(contexts: torch.Tensor) -> torch.Tensor:
    """Return the signed distance to the outline at 0.5 [..., S, S], clipped at 6 pixels and divided by them.

    Args:
        contexts: probabilities [..., S, S]; the fields come back on the same device, positive inside.
    """
    patches = contexts.flatten(0, -3).cpu().numpy()  # [..., S, S] to [N, S, S]
    fields = np.stack([clipped_field(patch) for patch in patches])
    return torch.from_numpy(fields).to(contexts.device).reshape(contexts.shape)


def around(context_z: torch.Tensor, shown: torch.Tensor, target_z: torch.Tensor) -> Around:
    """Return where targets at `target_z` [B, M] lie among the shown contexts at `context_z` [B, C], all in mm."""
    shown = shown[:, None].expand(-1, target_z.shape[1], -1)  # [B, M, C]
    offset = torch.where(shown, context_z[:, None] - target_z[:, :, None], 0)  # [B, 1, C] and [B, M, 1] to [B, M, C]
    distance = offset.abs()
    sides = [_nearest(distance, shown & (offset <= 0)), _nearest(distance, shown & (offset >= 0))]
    (below, below_mm), (above, above_mm) = sides
    return Around(distance, below, above, below_mm, above_mm, below.any(-1) & above.any(-1))


def coordinates(distance: torch.Tensor, span: torch.Tensor, side: torch.Tensor, pixel_mm: torch.Tensor) -> torch.Tensor:
    """Return features [..., F] of distances along z.

    Args:
        distance: distance in mm, not negative [...].
        span: length in mm with which it is compared, 0 where there is none; broadcasts to [...].
        side: a number in [0, 1] that says more of its kind; broadcasts to [...].
        pixel_mm: size of a patch pixel in mm; broadcasts to [...].
    """
    span, side, pixel_mm = (value.expand_as(distance) for value in (span, side, pixel_mm))
    relative = torch.where(span > 0, distance / span.clamp(min=1e-3), 0)
    angles = 2 * math.pi * distance[..., None] / distance.new_tensor(WAVELENGTHS_MM)  # [..., 5]
    plain = torch.stack([(1 + distance).log(), relative.clamp(max=4), side, pixel_mm.log()], dim=-1)  # [..., 4]
    return torch.cat([angles.sin(), angles.cos(), plain], dim=-1)  # [..., 5 + 5 + 4]


def planes_of(known: Known, place: Around) -> torch.Tensor:
    """Return what is known of each pixel [B, M, 3, S, S]: blends of fields and of slices, and their disagreement."""
    blend, below, above = (
        torch.einsum("bmc,bcij->bmij", share, known.fields) for share in (place.nearest, place.below, place.above)
    )
    slices = torch.einsum("bmc,bcij->bmij", place.nearest, known.contexts)  # [B, M, S, S]
    disagreement = (above - below).abs() * place.between[..., None, None]  # [B, M, S, S]
    return torch.stack([blend, 2 * slices - 1, disagreement], dim=2)  # [B, M, 3, S, S]


def outline_evidence(known: Known, place: Around) -> torch.Tensor:
    """Return the logit [B, M, S, S] that the nearest annotated slices on either side give to each pixel."""
    sides = torch.stack([place.below, place.above], dim=2)  # [B, M, 2, C]
    with torch.autocast(sides.device.type, enabled=False):
        fields = torch.einsum("bmsc,bcij->bmsij", sides, known.fields)  # [B, M, 2, S, S]
    distance = torch.stack([place.below_mm, place.above_mm], dim=2) / known.pixel_mm[:, None, None]  # [B, M, 2]
    return evidence(fields, distance, sides.sum(3) > 0)


def _nearest(distance: torch.Tensor, candidates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return shares [..., C] of the candidate at the least distance (equal ones share), and that distance [...]."""
    reach = distance.masked_fill(~candidates, torch.inf)
    least = reach.amin(-1, keepdim=True)
    chosen = (candidates & (reach <= least)).to(distance.dtype)
    share = chosen / chosen.sum(-1, keepdim=True).clamp(min=1)
    return share, torch.where(candidates.any(-1), least[..., 0], 0)
