"""The middle slice of a volume, which methods of two dimensions see."""

import torch


def middle(depth: int) -> int:
    """Return the number of the middle one of `depth` planes, the upper one of two.

    >>> [middle(depth) for depth in (1, 2, 3, 4)]
    [0, 1, 1, 2]
    """
    return depth // 2


def middle_slice(images: torch.Tensor) -> torch.Tensor:
    """Return the middle slices [B, C, H, W] of volumes [B, C, D, H, W], laid out anew.

    The strides of a slice of a volume in the layout channels last can be read as two layouts, and torch 2.13 then
    writes outside of its memory in the backward pass of the first convolution.
    """
    part = images[:, :, middle(images.shape[2])]
    return part.flatten().view(part.shape)
