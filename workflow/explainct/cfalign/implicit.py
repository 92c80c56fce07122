"""The gradient of a loss through a minimiser, by the implicit function theorem (CF-Align, Theorem 4.1).

z*(theta) minimises g(z, theta), and L(z*) is to be lowered. With H the Hessian of g in z, u = H^-1 dL/dz gives
dL/dtheta = -u . d/dtheta (dg/dz). The theorem needs z* to be stationary and H to be invertible. Both are checked for
each sample; one that fails is left out and counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

PerSample = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From points [b, P] of the samples with these numbers [b] to a value of each [b]."""


@dataclass(frozen=True)
class ImplicitGradient:
    """A gradient, and which samples it is made of.

    Attributes:
        gradients: the gradient of the mean loss of the used samples, by parameter; 0 where none is used.
        loss: that mean loss; NaN where no sample is used.
        used: samples that pass all gates, bool [B].
        negative: samples at whose point the objective curves down, bool [B].
    """

    gradients: list[torch.Tensor]
    loss: float
    used: torch.Tensor
    negative: torch.Tensor


def implicit_gradient(
    objective: PerSample,
    loss: PerSample,
    z: torch.Tensor,
    parameters: Sequence[torch.Tensor],
    *,
    stationary: torch.Tensor,
    steps: int,
    tolerance: float,
    gate: float,
    chunk: int | None = None,
    active: torch.Tensor | None = None,
) -> ImplicitGradient:
    """Return the gradient of the mean loss at minimisers with respect to parameters.

    Args:
        objective: g of each sample, differentiable twice in its points and once in the parameters.
        loss: L of each sample; depends on the parameters through the points alone.
        z: the minimisers [B, P].
        parameters: tensors that `objective` depends on.
        stationary: samples whose point is a minimiser as nearly as asked for, bool [B]; the others are left out.
        steps: steps of conjugate gradients at most.
        tolerance: relative residual at which they stop.
        gate: relative residual from which on a sample is left out.
        chunk: samples at a time, which bounds the memory; all by default. It changes nothing else.
        active: coordinates on which the problem is smooth, bool [B, P]; all by default.
    """
    used, negative = torch.zeros_like(stationary), torch.zeros_like(stationary)
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    total = 0.0
    candidates = stationary.nonzero()[:, 0]
    for rows in candidates.split(chunk or max(len(candidates), 1)) if len(candidates) else []:
        free = torch.ones_like(z[rows]) if active is None else active[rows].to(z.dtype)
        values, right = _loss_and_gradient(loss, z[rows], rows)
        points = z[rows].detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(objective(points, rows).sum(), points, create_graph=True)
        product = _hessian_product(slope, points, free)
        found = conjugate_gradient(product, right * free, steps=steps, tolerance=tolerance)
        good = ~found.negative & (found.residual < gate)
        used[rows], negative[rows] = good, found.negative
        total += float(values[good].sum())
        inner = -(slope * found.solution * good[:, None]).sum()
        parts = torch.autograd.grad(inner, parameters, allow_unused=True)
        gradients = [sum_ if part is None else sum_ + part for sum_, part in zip(gradients, parts, strict=True)]
    count = int(used.sum())
    gradients = [part / max(count, 1) for part in gradients]
    return ImplicitGradient(gradients, total / count if count else float("nan"), used, negative)


@dataclass(frozen=True)
class Solution:
    """What conjugate gradients found.

    Attributes:
        solution: u [B, P].
        residual: norm of H u - v over that of v [B]; 0 where v is 0.
        negative: samples in which H curves down along a direction that was tried, bool [B].
    """

    solution: torch.Tensor
    residual: torch.Tensor
    negative: torch.Tensor


def conjugate_gradient(
    product: Callable[[torch.Tensor], torch.Tensor], right: torch.Tensor, *, steps: int, tolerance: float
) -> Solution:
    """Solve H u = v for many samples at once (Hestenes, Stiefel 1952); each stops by itself.

    Args:
        product: from directions [B, P] to H times each [B, P], H symmetric.
        right: v [B, P].
        steps: steps at most.
        tolerance: relative residual at which a sample is finished.
    """
    solution, residual, direction = torch.zeros_like(right), right.clone(), right.clone()
    size = right.norm(dim=1)
    squared = size * size
    negative = torch.zeros(len(right), dtype=torch.bool, device=right.device)
    for _ in range(steps):
        unfinished = ~negative & (squared.sqrt() > tolerance * size)
        if not unfinished.any():
            break
        image = product(direction)
        curvature = (direction * image).sum(1)
        negative |= unfinished & (curvature <= 0)
        unfinished &= ~negative
        length = torch.where(unfinished, squared / curvature, 0)[:, None]
        solution, residual = solution + length * direction, residual - length * image
        new = (residual * residual).sum(1)
        ahead = residual + torch.where(unfinished, new / squared, 0)[:, None] * direction
        direction = torch.where(unfinished[:, None], ahead, direction)
        squared = torch.where(unfinished, new, squared)
    relative = torch.where(size > 0, squared.sqrt() / size.where(size > 0, torch.ones_like(size)), 0)
    return Solution(solution, relative, negative)


def _hessian_product(
    slope: torch.Tensor, points: torch.Tensor, free: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what multiplies directions [b, P] with the Hessian, from one graph of the gradient."""

    def product(direction: torch.Tensor) -> torch.Tensor:
        (image,) = torch.autograd.grad(slope, points, direction * free, retain_graph=True)
        return image * free

    return product


def _loss_and_gradient(loss: PerSample, z: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        values = loss(z, rows)
        (gradient,) = torch.autograd.grad(values.sum(), z)
    return values.detach(), gradient
