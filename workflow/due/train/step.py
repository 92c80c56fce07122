"""One training step: one forward pass serves the prediction, the explanation and the supervision of both."""

import torch
from torch.nn.functional import cross_entropy

from due.explain.cam import class_activation_maps
from due.explain.maps import postprocess
from due.supervise.registry import Method
from due.train.device import Compute
from due.train.networks import ExplainableResNet

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Images [B, 1, D, H, W], labels [B], target [B, D, H, W] and weights [B, D, H, W] on the device."""


def explanation_loss(features: torch.Tensor, head: torch.nn.Linear, batch: Batch, method: Method) -> torch.Tensor:
    """Return the loss of a batch's explanations: class activation maps of the true class, of lesions only.

    Args:
        features: features [B, C, d, h, w] of the batch's one forward pass.
        head: the classification layer.
        batch: images, labels, target and weights.
        method: a supervised method.

    Returns:
        A scalar; 0 if the batch has no lesion.
    """
    _, labels, target, weights = batch
    lesions = labels.nonzero()[:, 0]
    if len(lesions) == 0:
        return torch.zeros((), device=labels.device)
    maps = class_activation_maps(features[lesions], head.weight, labels[lesions], detach_weight=method.detach_head)
    return method.loss(postprocess(maps, target.shape[1:], "due"), target[lesions], weights[lesions])


def training_step(
    network: ExplainableResNet,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    *,
    method: Method,
    lambda_: float,
    compute: Compute,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Take one optimiser step on cross-entropy plus `lambda_` times the explanation loss, from one forward pass.

    Returns:
        The prediction loss and the explanation loss, scalars without gradient; the latter None without supervision.
    """
    with compute.autocast():
        logits, features = network(batch[0])
        loss = prediction = cross_entropy(logits, batch[1])
    explanation = None
    if method.supervised:
        explanation = explanation_loss(features, network.head, batch, method)
        loss = prediction + lambda_ * explanation
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return prediction.detach(), None if explanation is None else explanation.detach()
