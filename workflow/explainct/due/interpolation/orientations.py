"""The eight orientations of a square: nothing distinguishes them, so networks learn and draw in all of them."""

import torch

ORIENTATIONS = 8


def turned(frames: torch.Tensor, number: int) -> torch.Tensor:
    """Return frames [..., S, S] in orientation `number`, counted modulo 8: flipped along axes, then transposed."""
    if number & 1:
        frames = frames.flip(-1)
    if number & 2:
        frames = frames.flip(-2)
    return frames.mT if number & 4 else frames


def turned_back(frames: torch.Tensor, number: int) -> torch.Tensor:
    """Undo `turned`."""
    if number & 4:
        frames = frames.mT
    if number & 2:
        frames = frames.flip(-2)
    return frames.flip(-1) if number & 1 else frames


def turned_at_random(frames: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return frames [B, C, S, S], each example in one of the eight orientations, drawn with equal chances."""
    chosen = torch.rand(3, len(frames), generator=generator, device=generator.device).to(frames.device) < 0.5
    for flip, axis in ((chosen[0], -1), (chosen[1], -2)):
        frames = torch.where(flip[:, None, None, None], frames.flip(axis), frames)
    return torch.where(chosen[2][:, None, None, None], frames.mT, frames)
