"""Build the layers of the uncertainty predictor: encoders of patches, conditioned blocks, and mixing over contexts."""

from itertools import pairwise

import torch
from torch import nn

GROUPS = 8
"""Groups of the group normalisation; widths are multiples of it."""


class Block(nn.Module):
    """Two convolutions with a way around them, the second one scaled and shifted by a condition [N, K]."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        )
        self.norm = nn.GroupNorm(GROUPS, channels, affine=False)
        self.adapt = nn.Linear(condition, 2 * channels)
        self.second = nn.Sequential(nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, state: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Return maps [N, F, s, s] of the same shape."""
        scale, shift = self.adapt(condition)[..., None, None].chunk(2, dim=1)  # [N, 2 F, 1, 1] to twice [N, F, 1, 1]
        return state + self.second(self.norm(self.first(state)) * (1 + scale) + shift)


def encoder(channels: int, widths: tuple[int, ...], fold: int) -> nn.ModuleList:
    """Return one module per level; the first folds `fold` x `fold` pixels into channels, the others halve."""
    first = nn.Sequential(nn.PixelUnshuffle(fold), _pair(fold**2 * channels, widths[0], stride=1))
    return nn.ModuleList([first, *(_pair(*pair, stride=2) for pair in pairwise(widths))])


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return two linear layers with SiLU between them."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def each(levels: nn.ModuleList, patches: torch.Tensor) -> list[torch.Tensor]:
    """Apply an encoder to each patch of [B, N, F, S, S]; return the maps [B, N, F, s, s] of each level."""
    state, maps = patches.flatten(0, 1), []  # [B * N, F, S, S]
    for level in levels:
        state = level(state)
        maps.append(state.unflatten(0, patches.shape[:2]))  # [B, N, F, s, s]
    return maps


def mix(maps: torch.Tensor, share: torch.Tensor, mixer: torch.Tensor) -> torch.Tensor:
    """Return for each target the mean [B, M, F, s, s] of scaled and shifted context maps, by `share` [B, M, C, 1]."""
    scale, shift = mixer.chunk(2, dim=-1)  # [B, M, C, 2 F] to twice [B, M, C, F]
    scaled = torch.einsum("bmcf,bcfij->bmfij", share * (1 + scale), maps)  # [B, M, F, s, s]
    return scaled + (share * shift).sum(2)[..., None, None]  # [B, M, F, 1, 1]


def _pair(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return two convolutions, each with normalisation and SiLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(GROUPS, outputs),
        nn.SiLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.GroupNorm(GROUPS, outputs),
        nn.SiLU(),
    )
