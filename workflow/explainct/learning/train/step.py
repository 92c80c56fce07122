"""One training step: one forward pass serves the prediction, the explanation and the supervision of both."""

from pkgutil import resolve_name
from typing import NamedTuple

import torch

from explainct.config.recipe import Recipe
from explainct.data.samples.tasks import Task
from explainct.learning.explain.cam import class_activation_maps
from explainct.learning.losses.registry import LOSSES
from explainct.learning.networks.registry import Classifier
from explainct.runtime.device import Compute

Batch = tuple[torch.Tensor, ...]
"""Images [B, 1, D, H, W], classes [B], target and weights [B, D, H, W], and of some methods a mask [B, D, H, W].

Classes stay on the CPU, all else lies on the device: which samples are lesions is then known without waiting for it.
"""


class Supervision(NamedTuple):
    """How explanations are supervised in training.

    Attributes:
        loss: raw maps [B, d, h, w], target, weights and, of some methods, mask [B, D, H, W] to a scalar.
        detach_head: keep the loss from training the classification layer.
        explained: the classes whose samples are explained.
    """

    loss: torch.nn.Module
    detach_head: bool
    explained: tuple[int, ...]


def build_supervision(
    recipe: Recipe, task: Task, cells: tuple[int, int, int], grid: tuple[int, int, int], compute: Compute
) -> Supervision | None:
    """Return a method's explanation loss on the device, or None without supervision.

    Args:
        recipe: how the method trains.
        task: says which samples are explained.
        cells: cells of the feature map (d, h, w).
        grid: voxels of the annotation (D, H, W).
        compute: where to compute.
    """
    if recipe.loss is None:
        return None
    loss = resolve_name(LOSSES[recipe.loss])(cells, grid)
    return Supervision(loss.to(compute.device), recipe.detach_head, task.explained)


def explanation_loss(
    features: torch.Tensor, head: torch.nn.Linear, batch: Batch, supervision: Supervision
) -> torch.Tensor:
    """Return the loss of a batch's explanations: class activation maps of the true class, of lesions only.

    Args:
        features: features [B, C, d, h, w] of the batch's one forward pass.
        head: the classification layer.
        batch: images, classes, and what the loss compares maps with.
        supervision: the explanation loss, whether it trains the classification layer, and what is explained.

    Returns:
        A scalar; 0 if the batch has no lesion.
    """
    _, classes, *compared = batch
    lesions = torch.isin(classes, torch.tensor(supervision.explained)).nonzero()[:, 0]
    if len(lesions) == 0:
        return torch.zeros((), device=features.device)
    classes, lesions = (numbers.to(features.device, non_blocking=True) for numbers in (classes[lesions], lesions))
    features, *compared = (values.index_select(0, lesions) for values in (features, *compared))
    maps = class_activation_maps(features, head.weight, classes, detach_weight=supervision.detach_head)
    return supervision.loss(maps, *compared)


def training_step(
    network: Classifier,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    *,
    task: Task,
    supervision: Supervision | None,
    lambda_: float,
    compute: Compute,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Take one optimiser step on the task's loss plus `lambda_` times the explanation loss, from one forward pass.

    Returns:
        The prediction loss and the explanation loss, scalars without gradient; the latter None without supervision.
    """
    images, classes = batch[0], batch[1].to(compute.device, non_blocking=True)
    with compute.autocast():
        logits, features = network(images)
        loss = prediction = task.loss(logits, classes)
    explanation = None
    if supervision is not None:
        explanation = explanation_loss(features, network.head, batch, supervision)
        loss = prediction + lambda_ * explanation
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return prediction.detach(), None if explanation is None else explanation.detach()
