"""From raw class activation maps to explanations on the network's grid: presets, by name."""

from collections.abc import Callable

import torch
from torch.nn.functional import interpolate, relu

from explainct.errors import UserError

DUE_EPSILON = 1e-6
SMALLEST_MAXIMUM = 1e-12
"""A map whose maximum is below it is taken for empty."""


def _minmax(maps: torch.Tensor) -> torch.Tensor:
    """Scale each map [B, V] by its minimum and maximum, as DUE's published code does."""
    low, high = maps.min(1, keepdim=True).values, maps.max(1, keepdim=True).values
    return (maps - low) / (high - low + DUE_EPSILON)


def _by_maximum(maps: torch.Tensor) -> torch.Tensor:
    """Divide each map [B, V] by its maximum."""
    return maps / maps.max(1, keepdim=True).values.clamp_min(SMALLEST_MAXIMUM)


PRESETS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"due": _minmax, "standard": _by_maximum}
"""How maps are scaled after ReLU and upsampling."""


def postprocess(maps: torch.Tensor, grid: tuple[int, int, int], preset: str) -> torch.Tensor:
    """Return explanations on the grid: positive part, trilinear upsampling with corners aligned, scaling.

    The preset `due` scales by minimum and maximum (with 1e-6 in the denominator, as published), `standard` by the
    maximum. A map without a positive value gives zeros under both.

    Args:
        maps: raw maps [B, d, h, w], of either sign.
        grid: voxels of the result (D, H, W).
        preset: `due` or `standard`.

    Returns:
        Explanations [B, D, H, W] in [0, 1].

    Raises:
        UserError: there is no such preset.

    >>> postprocess(torch.tensor([[[[-1.0, 2.0]]]]), grid=(1, 1, 3), preset="standard").tolist()
    [[[[0.0, 0.5, 1.0]]]]
    """
    if preset not in PRESETS:
        raise UserError(f"No preset for explanations is called `{preset}`. Choose one of {', '.join(PRESETS)}.")
    large = upsample(relu(maps), grid)
    return PRESETS[preset](large.flatten(1)).view_as(large)


def upsample(maps: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """Return maps [B, d, h, w] on the grid [B, D, H, W], trilinear with corners aligned.

    Equal to `torch.nn.functional.interpolate`, but as one matrix product per axis: its gradient costs a fraction of
    that one's and is reproducible on GPUs too.
    """
    d, h, w = (_linear(source, target, maps) for source, target in zip(maps.shape[1:], grid, strict=True))
    maps = torch.einsum("bdhw,dD->bDhw", maps, d)
    maps = torch.einsum("bdhw,hH->bdHw", maps, h)
    return torch.einsum("bdhw,wW->bdhW", maps, w)


def _linear(source: int, target: int, like: torch.Tensor) -> torch.Tensor:
    """Return the matrix [source, target] that interpolates one axis, in number format and device of `like`."""
    identity = torch.eye(source, dtype=like.dtype, device=like.device)
    return interpolate(identity[:, None], target, mode="linear", align_corners=True)[:, 0]
