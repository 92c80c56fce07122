"""Random changes of batches that keep their labels: in training, and at test time."""

import torch
from torch.nn import functional

MOST_SHIFT = 3
"""Voxels by which images are shifted in training at most."""


def augmented(images: torch.Tensor) -> torch.Tensor:
    """Return images [B, 1, D, H, W] flipped, transposed in-plane and shifted by up to 3 voxels, each by itself.

    Rows and columns must be equally many. Torch's current random numbers decide.
    """
    for axis in (2, 3, 4):
        images = torch.where(_coins(images), images.flip(axis), images)
    images = torch.where(_coins(images), images.transpose(3, 4), images)
    return shifted(images, MOST_SHIFT)


def shifted(images: torch.Tensor, most: int) -> torch.Tensor:
    """Return images [B, 1, D, H, W], each shifted in-plane by up to `most` voxels; its border is repeated."""
    for axis in (3, 4):
        size = images.shape[axis]
        shift = torch.randint(-most, most + 1, (len(images), 1), device=images.device)
        source = (torch.arange(size, device=images.device) + shift).clamp(0, size - 1)  # [B, size]
        shape = [len(images), 1, 1, 1, 1]
        shape[axis] = size
        images = torch.take_along_dim(images, source.view(shape), axis)
    return images


def rotated(images: torch.Tensor, most_degrees: float) -> torch.Tensor:
    """Return images [B, 1, D, H, W], each turned in-plane by up to `most_degrees` either way; borders are repeated."""
    angle = torch.deg2rad((2 * torch.rand(len(images), device=images.device) - 1) * most_degrees)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    matrix = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)  # [B, 2, 3]
    planes = images[:, 0]  # the planes of a volume turn together, as channels
    grid = functional.affine_grid(matrix.to(images.dtype), list(planes.shape), align_corners=False)
    return functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)[:, None]


def blurred(images: torch.Tensor, kernel: int) -> torch.Tensor:
    """Return images [B, 1, D, H, W] as in-plane means over `kernel` x `kernel` voxels; the border is repeated."""
    before, after = kernel // 2, (kernel - 1) // 2
    padded = functional.pad(images[:, 0], (before, after, before, after), mode="replicate")
    return functional.avg_pool2d(padded, kernel, stride=1)[:, None]


def _coins(images: torch.Tensor) -> torch.Tensor:
    """Return a random truth value of each image [B, 1, 1, 1, 1]."""
    return (torch.rand(len(images), device=images.device) < 0.5).view(-1, 1, 1, 1, 1)
