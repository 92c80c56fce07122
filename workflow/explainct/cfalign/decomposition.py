"""CDEP: penalise what the surroundings contribute to the logits (Rieger et al., ICML 2020).

Each activation is the sum of a part that comes from some pixels and of the rest (Singh, Murdoch, Yu, ICLR 2019).
"""

import torch
from torch import nn

from explainct.cfalign.networks import SmoothCNN, smooth_maximum

SMALLEST = 1e-12


def contribution(network: SmoothCNN, images: torch.Tensor, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what some pixels contribute to the logits, and what the rest does, both [B, K]; their sum is the logits.

    Biases are divided in proportion to the absolute parts. Through an activation f with f(0) = 0 the part b of a sum
    becomes f(b) and the rest the difference, as published for rectifiers.

    Args:
        network: a network of convolutions, activations, the smooth maximum and a linear layer.
        images: [B, 1, H, W] in [0, 1].
        pixels: 1 where a pixel belongs to the part, 0 or 1 [B, 1, H, W].
    """
    scaled = (images - 0.5) * 2
    part, rest = scaled * pixels, scaled * (1 - pixels)
    for layer in network.layers:
        part, rest = _through(layer, part, rest)
    pooled = smooth_maximum(part)
    rest = smooth_maximum(part + rest) - pooled
    return _through(network.head, pooled, rest)


def cdep(network: nn.Module, images: torch.Tensor, _: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return the absolute contribution of the surroundings, summed over logits, mean a sample (CDEP, Eq. 4).

    Args:
        network: the classifier.
        images: [B, 1, H, W] in [0, 1].
        inside: where evidence belongs, 0 or 1 [B, 1, H, W].
    """
    part, _ = contribution(network, images, 1 - inside)
    return part.abs().sum(1).mean()


def _through(layer: nn.Module, part: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return part and rest behind a layer."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        shape = (1, -1, 1, 1) if isinstance(layer, nn.Conv2d) else (1, -1)
        bias = layer.bias.view(shape)
        part, rest = layer(part) - bias, layer(rest) - bias
        share = part.abs() / (part.abs() + rest.abs()).clamp_min(SMALLEST)
        return part + share * bias, rest + (1 - share) * bias
    whole, part = layer(part + rest), layer(part)
    return part, whole - part
