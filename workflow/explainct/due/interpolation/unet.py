"""Build the learned interpolators' network: a U-Net that knows distances and four slices around the target slice."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn
from torch.nn import functional as F

from explainct.due.interpolation.bridge import evidence, network_share
from explainct.due.interpolation.gaps import ABOVE, BELOW, CONTEXT_SLICES, Surroundings
from explainct.errors import UserError

GROUPS = 8
"""Groups of the group normalisation; channels are multiples of it."""
FOLD = 2
"""Pixels along each axis that become channels: convolutions at half resolution cost a quarter."""
MOST_LEVELS = 3
"""Levels of the U-Net at most: with the fold, the edges of patches are halved once a level."""
PIXELS_AT_ONCE = {"cpu": 2**18, "cuda": 2**22}
"""Pixels that one call of a U-Net takes while predicting, by kind of device, which bounds memory."""
TYPICAL_GAP_MM = 5.0
NEAREST = 0.5
"""Least distance to an annotated slice in patch pixels that the network is told; training has hardly smaller ones."""
TYPICAL_DISTANCE = 4.0
"""Usual distance to the nearest annotated slice, in patch pixels."""
SUMMATION_ERROR = 1e-6
"""What a slice's content may differ by between orientations."""
DISAGREEMENT = 0.3
"""How much the readers' disagreement counts in what a side is chosen by, next to the fields."""
NUMBERS = 6
BELOW_FIRST, ABOVE_FIRST = (1, 2, 0, 3), (2, 1, 3, 0)
"""Order of the context slices: the nearer side, the farther one, then the next slice on either side."""
PLANES = 3 * CONTEXT_SLICES + 2 + NUMBERS
"""Channels of `condition` that the network sees."""
BRIDGE = 2
"""Channels of `condition` behind these: the annotated slices' logit, and the share of the network's."""


class ConditionalUNet(nn.Module):
    """A U-Net over what `condition` says of a target slice and, for the diffusion, over the noisy slice.

    Args:
        channels: channels per level, multiples of 8, at most three levels; each further one halves the resolution.
        noisy: whether a noisy slice is an input.

    Raises:
        UserError: channels that group normalisation cannot split, or more levels than patches can be halved.
    """

    def __init__(self, channels: tuple[int, ...], *, noisy: bool) -> None:
        super().__init__()
        if not 1 <= len(channels) <= MOST_LEVELS or any(count % GROUPS for count in channels):
            raise UserError(
                f"Setting `interpolate.channels` is {list(channels)}; expected one to three multiples of {GROUPS}. "
                "Try the default, [16, 32]."
            )
        self.unet = DiffusionModelUNet(
            spatial_dims=2,
            in_channels=(PLANES + noisy) * FOLD**2,
            out_channels=FOLD**2,
            num_res_blocks=1,
            channels=channels,
            attention_levels=(False,) * len(channels),
            norm_num_groups=GROUPS,
            num_head_channels=GROUPS,
        )

    def forward(self, planes: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Return the logit that each pixel is inside [B, 1, S, S]: that of the annotated slices and the network's.

        Args:
            planes: the noisy slice, if any, and `condition` [B, P + 2, S, S]; S is a multiple of 8.
            level: noise level of each slice in [0, 1] [B].
        """
        seen, known, share = planes[:, :-BRIDGE], planes[:, -BRIDGE:-1], planes[:, -1:]
        # [B, 4 P, S / 2, S / 2] to [B, 4, S / 2, S / 2]
        folded = self.unet(F.pixel_unshuffle(seen, FOLD), 1000 * level)
        return known + share * F.pixel_shuffle(folded, FOLD).float()  # [B, 1, S, S]


class OutlineModel(nn.Module):
    """A model of whether the pixels of a target slice are inside: its U-Net, and the settings to build it again.

    Args:
        settings: the settings `interpolate`; `channels` is used.
        noisy: whether a noisy slice is an input.

    Raises:
        UserError: channels that group normalisation cannot split.
    """

    def __init__(self, settings: Mapping[str, Any], *, noisy: bool) -> None:
        super().__init__()
        self.settings = {"channels": list(settings["channels"])}
        self.network = ConditionalUNet(tuple(settings["channels"]), noisy=noisy)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.parameters()).device

    def known_parts(self, around: Surroundings, copies: int = 1) -> Iterator[torch.Tensor]:
        """Yield `condition` of target slices on the model's device, in parts of which `copies` fit into memory."""
        pixels = copies * around.fields.shape[-1] ** 2
        for rows in torch.arange(len(around)).split(max(PIXELS_AT_ONCE[self.device.type] // pixels, 1)):
            yield condition(around[rows].to(self.device))


def condition(around: Surroundings) -> torch.Tensor:
    """Return what is known of target slices as planes [B, 22, S, S].

    Four fields, four flags and four maps of the readers' disagreement: nearest annotated slice first, then the farther
    side, then the next ones on either side; the blend of the two inner fields, as they lie and with their centroids
    aligned; six numbers; last the logit of the annotated slices and the share of the network's (see
    `explainct.due.interpolation.bridge`). Which side is nearer decides the order, and at equal distance the content, so
    a gap turned upside down looks the same.

    Args:
        around: what is known; slices that are not shown change nothing.
    """
    above_first = _nearer_side_first(around)
    orders = torch.tensor([BELOW_FIRST, ABOVE_FIRST], device=above_first.device)
    context_slices = orders[above_first.long()]  # [2, 4] by [B] to [B, 4]
    rows = torch.arange(len(around), device=context_slices.device)[:, None]  # [B, 1]
    shown = around.shown[rows, context_slices]  # [B, 4]
    fields, disagreement = (
        # [B, 4, S, S]
        values[rows, context_slices] * shown[:, :, None, None]
        for values in (around.fields, around.disagreement)
    )
    near, far, beyond_near, beyond_far = _distances(around, context_slices, shown).unbind(1)  # [B] each
    gap = near + far
    t = near / gap
    both = (shown[:, 0] & shown[:, 1])[:, None, None, None]  # [B, 1, 1, 1]
    aligned = _blend(_centred(fields[:, :2], t), t)
    pixel = around.pixel_mm
    numbers = torch.stack(  # [B, 6]
        [
            4 * t - 1,
            (gap / TYPICAL_GAP_MM).log(),
            pixel.log(),
            ((near / pixel).clamp(min=NEAREST) / TYPICAL_DISTANCE).log(),
            beyond_near / gap,
            beyond_far / gap,
        ],
        dim=1,
    )
    size = fields.shape[-2:]
    # [B, 4, S, S], [B, 6, S, S]
    flags, numbers = (values[:, :, None, None].expand(-1, -1, *size) for values in (shown.to(fields.dtype), numbers))
    known = evidence(fields[:, :2], torch.stack([near, far], dim=1) / pixel[:, None], shown[:, :2])[:, None]
    share = network_share(torch.minimum(near, far) / pixel)[:, None, None, None]
    share = share.expand(-1, -1, *size)  # [B, 1, S, S], like `known`
    blends = [_blend(fields, t) * both, aligned * both]
    # [B, 4 + 4 + 4 + 1 + 1 + 6 + 1 + 1, S, S]
    return torch.cat([fields, flags, 2 * disagreement, *blends, numbers, known, share], dim=1)


def _nearer_side_first(around: Surroundings) -> torch.Tensor:
    """Return whether the side above comes first [B]."""
    distance = (around.context_z - around.z[:, None]).abs()
    below, above = distance.masked_fill(~around.shown, torch.inf)[:, [BELOW, ABOVE]].unbind(1)  # [B, 4] to twice [B]
    # Rounded positions must not decide which of two equally distant slices is nearer.
    tie = (below - above).abs() < 1e-3 * torch.minimum(below, above).clamp(min=1e-3)
    return torch.where(tie | (below == above), _larger_side_above(around, distance), above < below)


def _larger_side_above(around: Surroundings, distance: torch.Tensor) -> torch.Tensor:
    """Return whether the side above comes first where both are equally near [B].

    The first number in which the sides differ decides: the content of both slices, that of the inner and of the outer
    one, and last the distances [B, 4] in mm, since equal slices may lie at different ones.
    """
    numbers = torch.cat([_content(around), (distance * around.shown).double()[..., None]], dim=2)  # [B, 4, 3]
    inner, outer = (numbers[:, ABOVE + beyond] - numbers[:, BELOW - beyond] for beyond in (0, 1))  # [B, 3] each
    differences = torch.cat([(inner + outer)[:, :1], inner[:, :2], outer, inner[:, 2:]], dim=1)  # [B, 7]
    least = differences.new_tensor([SUMMATION_ERROR] * 5 + [0, 0])
    deciding = (differences.abs() > least).int().argmax(1, keepdim=True)  # [B, 1]
    return differences.gather(1, deciding)[:, 0] > 0


def _content(around: Surroundings) -> torch.Tensor:
    """Return two numbers of each slice [B, 4, 2], larger for larger shapes and hardly shared by two different slices.

    The first does not change with the orientation of the square, like all that a side is chosen by. Mirror images
    share it; the second tells them apart.
    """
    edge = around.fields.shape[-1]
    offset = torch.arange(edge, device=around.fields.device, dtype=torch.float64) - (edge - 1) / 2
    weight = 1 + 0.01 * (offset[:, None] ** 2 + offset**2) / edge**2  # [S, 1] and [S] to [S, S]
    inside = (around.fields + DISAGREEMENT * around.disagreement).double() * around.shown[:, :, None, None]
    content = (inside * weight).sum((2, 3)) + 1e-3 * ((inside > 0) * weight).sum((2, 3))  # [B, 4]
    # Any numbers without symmetry would do.
    uneven = torch.arange(edge**2, device=inside.device, dtype=torch.float64).sin().unflatten(0, (edge, edge))  # [S, S]
    return torch.stack([content, (inside * uneven).sum((2, 3))], dim=2)  # [B, 4, 2]


def _distances(around: Surroundings, context_slices: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Return distances in mm of the ordered slices [B, 4], positive for the first two.

    A far side that is not shown counts as far as the near one; with neither shown, both are a usual distance away.
    Next ones that are not shown have 0.
    """
    z = around.context_z.gather(1, context_slices)  # [B, 4]
    distance = torch.where(shown, (z - around.z[:, None]).abs(), 0).clamp(min=0)
    usual = TYPICAL_DISTANCE * around.pixel_mm
    least = 1e-3 * around.pixel_mm
    near = torch.where(shown[:, 0], distance[:, 0].maximum(least), usual)
    far = torch.where(shown[:, 1], distance[:, 1].maximum(least), near)
    return torch.stack([near, far, distance[:, 2], distance[:, 3]], dim=1)  # [B, 4]


def _blend(pair: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return the fields of the nearer and the farther slice [B, >= 2, S, S] mixed at relative position t [B]."""
    t = t[:, None, None, None]  # [B, 1, 1, 1]
    return (1 - t) * pair[:, :1] + t * pair[:, 1:2]


def _centred(pair: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return two fields [B, 2, S, S] moved so that both centroids lie on the line between them, at t [B]."""
    size = pair.shape[-1]
    inside = (pair > 0).to(pair.dtype)
    mass = inside.sum((2, 3)).clamp(min=1)  # [B, 2]
    at = torch.arange(size, device=pair.device, dtype=pair.dtype) - (size - 1) / 2
    centroid = torch.stack([inside.sum(2) @ at, inside.sum(3) @ at], dim=2) / mass[..., None]  # [B, 2, 2], (x, y)
    place = (1 - t)[:, None] * centroid[:, 0] + t[:, None] * centroid[:, 1]  # [B, 2]
    # Sampling positions are in half edges of the patch, columns first.
    shift = (centroid - place[:, None]).flatten(0, 1) * 2 / size  # [2 B, 2]
    matrix = torch.eye(2, 3, device=pair.device, dtype=pair.dtype).expand(len(shift), 2, 3).clone()  # [2 B, 2, 3]
    matrix[:, :, 2] = shift
    patches = pair.flatten(0, 1)[:, None]  # [2 B, 1, S, S]
    grid = F.affine_grid(matrix, list(patches.shape), align_corners=False)
    moved = F.grid_sample(patches, grid, padding_mode="border", align_corners=False)
    return moved[:, 0].unflatten(0, pair.shape[:2])  # [B, 2, S, S]
