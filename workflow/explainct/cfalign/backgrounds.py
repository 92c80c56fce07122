"""Images with the background of another one, as data augmentation (CIDG: Chang, Adam, Goldenberg, CVPR 2021)."""

import torch


def swap_backgrounds(images: torch.Tensor, kept: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return images whose surroundings are those of another image of the batch, drawn for each.

    Where the other image's own nodule would show, it is filled with that image's mean, so that a second nodule does not
    say another label.

    Args:
        images: [B, 1, H, W].
        kept: 1 where an image stays, 0 or 1 [B, 1, H, W].
        generator: decides.
    """
    order = torch.randperm(len(images), generator=generator).to(images.device)
    others, theirs = images[order], kept[order]
    surroundings = (others * (1 - theirs)).sum((1, 2, 3)) / (1 - theirs).sum((1, 2, 3)).clamp_min(1)
    background = torch.where(theirs > 0, surroundings[:, None, None, None], others)
    return torch.where(kept > 0, images, background)


def greyed(images: torch.Tensor, kept: torch.Tensor, grey: float) -> torch.Tensor:
    """Return images [B, 1, H, W] that are `grey` where `kept` [B, 1, H, W] is 0."""
    return torch.where(kept > 0, images, grey)
