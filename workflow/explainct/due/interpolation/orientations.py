"""Turn patches into the eight orientations of a square, in all of which networks learn and draw."""

import torch

ORIENTATIONS = 8


def turned(patches: torch.Tensor, number: int) -> torch.Tensor:
    """Return patches [..., S, S] in orientation `number`, counted modulo 8: flipped along axes, then transposed."""
    if number & 1:
        patches = patches.flip(-1)
    if number & 2:
        patches = patches.flip(-2)
    return patches.mT if number & 4 else patches


def turned_back(patches: torch.Tensor, number: int) -> torch.Tensor:
    """Undo `turned`."""
    if number & 4:
        patches = patches.mT
    if number & 2:
        patches = patches.flip(-2)
    return patches.flip(-1) if number & 1 else patches


def turned_at_random(patches: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return patches [B, C, S, S], each example in one of the eight orientations, drawn with equal chances."""
    chosen = torch.rand(3, len(patches), generator=generator, device=generator.device).to(patches.device) < 0.5
    for flip, axis in ((chosen[0], -1), (chosen[1], -2)):
        patches = torch.where(flip[:, None, None, None], patches.flip(axis), patches)  # [B, 1, 1, 1] over [B, C, S, S]
    return torch.where(chosen[2][:, None, None, None], patches.mT, patches)
