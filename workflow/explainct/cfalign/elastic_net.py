"""Sparse counterfactuals: min over z of CE(f(x(z)), y*) + lambda (|z|^2 / 2 + ratio |z|_1), by proximal steps.

CF-Align asks for a sparse distance (section 3.1). A plain L1 norm has no second derivative, so no implicit gradient;
with the squared norm beside it the problem is smooth on the coordinates that are not 0, the active set.
"""

from dataclasses import dataclass

import torch

from explainct.cfalign.counterfactual import SMALLEST, Problem

LARGER, SMALLER = 1.5, 0.5
"""Factors of a sample's step after one that was accepted and one that was not."""


@dataclass(frozen=True)
class SparseCounterfactuals:
    """Solutions of a batch of elastic-net problems.

    Attributes:
        z: points [B, P], many coordinates 0.
        margin: log odds of y* [B].
        residual: norm of the proximal step over the step size, over lambda |z| [B]; 0 is stationary.
    """

    z: torch.Tensor
    margin: torch.Tensor
    residual: torch.Tensor

    @property
    def active(self) -> torch.Tensor:
        """Return which coordinates are not 0, bool [B, P]: on these the problem is smooth."""
        return self.z != 0


def shrunk(z: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Return points [B, P] whose coordinates are nearer to 0 by `threshold` [B, 1], and 0 where they were nearer."""
    return z.sign() * (z.abs() - threshold).clamp_min(0)


def solve_sparse(
    problem: Problem, *, weight: torch.Tensor, ratio: float, tolerance: float, iterations: int
) -> SparseCounterfactuals:
    """Return sparse counterfactuals, by proximal gradient steps with a step size for each sample.

    Args:
        problem: the problems.
        weight: lambda of each sample [B].
        ratio: weight of the L1 norm, in units of z; 0 leaves the squared norm alone.
        tolerance: residual at which all samples are finished.
        iterations: steps at most.
    """
    z, step = problem.start(), 1 / weight
    value, gradient = _smooth(problem, z, weight)
    for _ in range(iterations):
        trial = shrunk(z - step[:, None] * gradient, (step * weight * ratio)[:, None])
        move = trial - z
        if (_residual(move, step, trial, weight) < tolerance).all():
            break
        new_value, new_gradient = _smooth(problem, trial, weight)
        # The smooth part must lie below its quadratic bound (Beck, Teboulle 2009).
        bound = value + (gradient * move).sum(1) + (move * move).sum(1) / (2 * step)
        good = new_value <= bound + 1e-12
        z, gradient = (torch.where(good[:, None], *pair) for pair in ((trial, z), (new_gradient, gradient)))
        value = torch.where(good, new_value, value)
        step = step * torch.where(good, LARGER, SMALLER)
    trial = shrunk(z - step[:, None] * gradient, (step * weight * ratio)[:, None])
    with torch.no_grad():
        return SparseCounterfactuals(z, problem.margin(z), _residual(trial - z, step, z, weight))


def _residual(move: torch.Tensor, step: torch.Tensor, z: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the norm of the proximal gradient over lambda |z| [B]; 0 where nothing moves."""
    return move.norm(dim=1) / step / (weight * z.norm(dim=1)).clamp_min(SMALLEST)


def _smooth(problem: Problem, z: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        value = problem.objective(z, weight)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient
