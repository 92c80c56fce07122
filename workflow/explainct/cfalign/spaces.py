"""Spaces in which a counterfactual is looked for: pixels, a coarse grid, or the latent space of an autoencoder.

A space says which image a point z is, and which change of pixels. The counterfactual problem starts at z = 0.
"""

from typing import Protocol

import torch
from torch import nn
from torch.nn import functional


class Space(Protocol):
    """What a space of changes offers: all but `base` take what that returned."""

    def base(self, images: torch.Tensor) -> torch.Tensor:
        """Return what is known of images [B, 1, H, W] at z = 0, a tensor [B, ...]."""
        ...

    def size(self, base: torch.Tensor) -> int:
        """Return the number P of coordinates of a point."""
        ...

    def image(self, base: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the images [B, 1, H, W] at points z [B, P]."""
        ...

    def change(self, base: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return by how much pixels change from z = 0 to points z [B, P], as [B, 1, H, W]; 0 at z = 0."""
        ...


class Grid:
    """x + U z, with U the bilinear upsampling of a coarse grid of changes; 1 pixel a cell is image space.

    Args:
        cell: pixels of a cell's edge, a divisor of the images' edges.
    """

    def __init__(self, cell: int) -> None:
        self.cell = cell

    def base(self, images: torch.Tensor) -> torch.Tensor:
        """Return the images."""
        return images

    def size(self, base: torch.Tensor) -> int:
        """Return the number of cells."""
        return (base.shape[2] // self.cell) * (base.shape[3] // self.cell)

    def change(self, base: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return U z [B, 1, H, W]."""
        rows, columns = (edge // self.cell for edge in base.shape[2:])
        cells = z.view(len(z), 1, rows, columns)
        if self.cell == 1:
            return cells
        return functional.interpolate(cells, base.shape[2:], mode="bilinear", align_corners=False)

    def image(self, base: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return x + U z, which is not clipped: a clipped pixel has no gradient."""
        return base + self.change(base, z)


class Latent:
    """The decoded image at the code of x moved by z (LatentCF: Balasubramanian et al., 2012.09301).

    The image at z = 0 is the autoencoder's reconstruction, not x itself, as published.

    Args:
        autoencoder: has `encode` to codes [B, C, h, w] and `decode`; it stays as it is.
    """

    def __init__(self, autoencoder: nn.Module) -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False)

    def base(self, images: torch.Tensor) -> torch.Tensor:
        """Return the codes [B, C, h, w] of images [B, 1, H, W], which the search does not change."""
        with torch.no_grad():
            return self.autoencoder.encode(images)

    def size(self, base: torch.Tensor) -> int:
        """Return the number of coordinates of a code."""
        return base[0].numel()

    def image(self, base: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the decoded images [B, 1, H, W]."""
        return self.autoencoder.decode(base + z.view_as(base))

    def change(self, base: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the difference of the decoded images at z and at 0."""
        return self.image(base, z) - self.autoencoder.decode(base)


def ceiling_of_share(masks: torch.Tensor, cell: int) -> torch.Tensor:
    """Return the largest share of a change that can lie inside each mask [B], on a grid of `cell` pixels, in [0, 1].

    A change on several cells of one sign has the mean of their shares, so one cell alone attains it.

    Args:
        masks: 1 inside, float [B, 1, H, W].
        cell: pixels of a cell's edge.
    """
    space = Grid(cell)
    count = space.size(masks)
    points = torch.eye(count, dtype=masks.dtype, device=masks.device)
    kernels = space.change(masks[:1].expand(count, -1, -1, -1), points)[:, 0]  # [P, H, W]
    return (torch.einsum("phw,bhw->bp", kernels, masks[:, 0]) / kernels.sum((1, 2))).amax(1)
