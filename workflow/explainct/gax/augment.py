"""Augmentative explanation (AX): images changed by their maps, by the published scale and by steps of a fixed size.

Tjoa et al., section 3: h is divided by max|h| and becomes x + h or x * h. With a largest value of 1, x + h is a change
as large as the range of the image; a fixed step has a root mean square of a share of that range, and stays inside it.
"""

import torch
from torch import nn

from explainct.gax.co_score import check_images, check_maps, raw_logits, score_constants
from explainct.gax.names import ADD, MULTIPLY, STEP


def augmented(images: torch.Tensor, maps: torch.Tensor, augmentation: str) -> torch.Tensor:
    """Return images [B, C, D, H, W] changed by maps of that shape; a map of zeros is added as it is.

    Args:
        images: float in [0, 1].
        maps: finite values of either sign.
        augmentation: `add`, `multiply`, or `step_` and the root mean square of the step as a share of [0, 1].

    Raises:
        UserError: images leave [0, 1], or maps have another shape or values that are not finite.
    """
    check_images(images)
    check_maps(maps, images)
    if augmentation == MULTIPLY:
        return images * by_maximum(maps)
    if augmentation == ADD:
        return images + by_maximum(maps)
    return (images + with_rms(maps, float(augmentation.removeprefix(STEP)))).clamp(0, 1)


def by_maximum(maps: torch.Tensor) -> torch.Tensor:
    """Return maps divided by their largest absolute value, as published; maps of zeros stay zeros."""
    return maps / _nonzero(maps.flatten(1).abs().amax(1), maps)


def with_rms(maps: torch.Tensor, rms: float) -> torch.Tensor:
    """Return maps with a root mean square of `rms` over all voxels; maps of zeros stay zeros."""
    # Scaled by the maximum first, since squares of small gradients are 0 in single precision.
    scaled = by_maximum(maps)
    return rms * scaled / _nonzero(scaled.flatten(1).square().mean(1).sqrt(), maps)


def _nonzero(sizes: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Return sizes [B] to divide maps by, 1 in place of 0."""
    return torch.where(sizes > 0, sizes, 1.0).view(-1, *[1] * (maps.ndim - 1))


def shuffled(maps: torch.Tensor, generators: list[torch.Generator]) -> torch.Tensor:
    """Return maps with the voxels of each in random order: a control of the same magnitudes.

    Args:
        maps: [B, C, D, H, W].
        generators: a generator of random numbers on the CPU for each map, so that batches do not matter.
    """
    orders = [torch.randperm(maps[0].numel(), generator=generator).to(maps.device) for generator in generators]
    return torch.stack([one.flatten()[order].view_as(one) for one, order in zip(maps, orders, strict=True)])


def sign_direction(network: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the sign of the gradient of kappa . f [B, C, D, H, W]: the adversarial control (fast gradient sign).

    Of all maps with a largest absolute value of 1 it raises the score most, as far as the score is linear (Goodfellow
    et al., ICLR 2015).
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = raw_logits(network, images)
        score = (score_constants(classes, logits.shape[1]) * logits).sum()
        (gradient,) = torch.autograd.grad(score, images)
    return gradient.sign()
