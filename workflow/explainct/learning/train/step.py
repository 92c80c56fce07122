"""One training step: one forward pass serves the prediction, the explanation and the supervision of both."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy

from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.networks.resnet import ExplainableResNet, map_shape
from explainct.learning.train.methods import Method
from explainct.runtime.device import Compute

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Images [B, 1, D, H, W], labels [B], target [B, D, H, W] and weights [B, D, H, W].

Labels stay on the CPU, all else lies on the device: which samples are lesions is then known without waiting for it.
"""


class Supervision(NamedTuple):
    """How explanations are supervised in training.

    Attributes:
        loss: raw maps [B, d, h, w], target and weights [B, D, H, W] to a scalar.
        detach_head: keep the loss from training the classification layer.
    """

    loss: torch.nn.Module
    detach_head: bool


def build_supervision(
    method: Method, settings: Mapping[str, Any], grid: tuple[int, ...], compute: Compute
) -> Supervision | None:
    """Return a method's explanation loss on the device, or None without supervision.

    Args:
        method: the method.
        settings: the settings `train`.
        grid: voxels of the annotation (D, H, W).
        compute: where to compute.
    """
    if method.build_loss is None:
        return None
    loss = method.build_loss(map_shape(settings, tuple(grid), dims=method.dims), tuple(grid))
    return Supervision(loss.to(compute.device), method.detach_head)


def explanation_loss(
    features: torch.Tensor, head: torch.nn.Linear, batch: Batch, supervision: Supervision
) -> torch.Tensor:
    """Return the loss of a batch's explanations: class activation maps of the true class, of lesions only.

    Args:
        features: features [B, C, d, h, w] of the batch's one forward pass.
        head: the classification layer.
        batch: images, labels, target and weights.
        supervision: the explanation loss, and whether it trains the classification layer.

    Returns:
        A scalar; 0 if the batch has no lesion.
    """
    _, labels, target, weights = batch
    lesions = labels.nonzero()[:, 0]
    if len(lesions) == 0:
        return torch.zeros((), device=features.device)
    classes, lesions = (numbers.to(features.device, non_blocking=True) for numbers in (labels[lesions], lesions))
    features, target, weights = (values.index_select(0, lesions) for values in (features, target, weights))
    maps = class_activation_maps(features, head.weight, classes, detach_weight=supervision.detach_head)
    return supervision.loss(maps, target, weights)


def training_step(
    network: ExplainableResNet,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    *,
    supervision: Supervision | None,
    lambda_: float,
    compute: Compute,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Take one optimiser step on cross-entropy plus `lambda_` times the explanation loss, from one forward pass.

    Returns:
        The prediction loss and the explanation loss, scalars without gradient; the latter None without supervision.
    """
    images, labels = batch[0], batch[1].to(compute.device, non_blocking=True)
    with compute.autocast():
        logits, features = network(images)
        loss = prediction = cross_entropy(logits, labels)
    explanation = None
    if supervision is not None:
        explanation = explanation_loss(features, network.head, batch, supervision)
        loss = prediction + lambda_ * explanation
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return prediction.detach(), None if explanation is None else explanation.detach()
