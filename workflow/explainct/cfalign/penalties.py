"""What the compared methods add to the cross-entropy: losses of a batch that need no counterfactual."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from explainct.cfalign.alignment import share_outside
from explainct.cfalign.decomposition import cdep
from explainct.cfalign.icnn import filter_loss
from explainct.errors import UserError
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.losses.due import build_weighted_cross_entropy
from explainct.learning.losses.res import build_res_g

CELL = 8
"""Pixels of a cell of the grid on which RRR's gradient is summed, as of CF-Align, ours."""

Penalty = Callable[[nn.Module, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From a network, images [B, 1, H, W], classes [B] and where evidence belongs, 0 or 1 [B, 1, H, W], to a scalar."""


def rrr(network: nn.Module, images: torch.Tensor, _: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return RRR's squared gradient of the summed log probabilities outside (Ross et al. 2017, Eq. 1), mean a sample.

    Args:
        network: the classifier.
        images: [B, 1, H, W].
        inside: where evidence belongs, 0 or 1 [B, 1, H, W].
    """
    images = images.detach().requires_grad_()
    total = network(images).log_softmax(1).sum()
    (gradient,) = torch.autograd.grad(total, images, create_graph=True)
    return ((1 - inside) * gradient).square().flatten(1).sum(1).mean()


def rrr_on_grid(network: nn.Module, images: torch.Tensor, _: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return the share outside of the gradient of the logits' difference, summed on the coarse grid; mean a sample.

    The gradient in grid coordinates, spread over pixels again, is the direction of the first step of a counterfactual
    of CF-Align, ours, so this compares the same on the same grid without solving for one.

    Args:
        network: the classifier.
        images: [B, 1, H, W].
        inside: where evidence belongs, 0 or 1 [B, 1, H, W].
    """
    cells = images.new_zeros(len(images), 1, images.shape[2] // CELL, images.shape[3] // CELL).requires_grad_()
    spread = functional.interpolate(cells, images.shape[2:], mode="bilinear", align_corners=False)
    logits = network(images + spread)
    (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), cells, create_graph=True)
    change = functional.interpolate(gradient, images.shape[2:], mode="bilinear", align_corners=False)
    return share_outside(change, inside).mean()


def _supervised(
    build: Callable[[tuple[int, int, int], tuple[int, int, int]], nn.Module],
) -> Penalty:
    """Return a penalty of class activation maps, of a loss of `explainct.learning.losses`.

    The slice is annotated as a whole, so nothing is filled in between and all weights are 1.
    """

    def penalty(network: nn.Module, images: torch.Tensor, classes: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        features = network.features(images)[:, :, None]  # [B, C, 1, h, w]
        maps = class_activation_maps(features, network.head.weight, classes)
        target = inside[:, 0][:, None]  # [B, 1, H, W]
        loss = build(tuple(maps.shape[1:]), tuple(target.shape[1:])).to(images.device)
        return loss(maps, target, torch.ones_like(target))

    return penalty


PENALTIES: dict[str, Penalty] = {
    "rrr": rrr,
    "rrr_grid": rrr_on_grid,
    "cdep": cdep,
    "templates": filter_loss,
    "due": _supervised(build_weighted_cross_entropy),
    "res_g": _supervised(build_res_g),
}
"""All penalties by name."""


def find_penalty(name: str) -> Penalty:
    """Return the penalty called `name`.

    Raises:
        UserError: there is none.
    """
    if name not in PENALTIES:
        raise UserError(f"The penalty `{name}` is unknown; penalties are {', '.join(PENALTIES)}. Choose one.")
    return PENALTIES[name]
