"""Sparse counterfactuals: min over z of CE(f(x(z)), y*) + lambda (|z|^2 / 2 + ratio |z|_1), by proximal steps.

CF-Align asks for a sparse distance (section 3.1). A plain L1 norm has no second derivative, so no implicit gradient;
with the squared norm beside it the problem is smooth on the coordinates that are not 0, the active set.
"""

from dataclasses import dataclass

import torch

from explainct.cfalign.counterfactual import SMALLEST, Problem
from explainct.cfalign.lbfgs import lbfgs

LARGER, SMALLER = 1.5, 0.5
"""Factors of a sample's step after one that was accepted and one that was not."""
ROUNDS = 4


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
    """Return sparse counterfactuals: proximal steps find the active set, and L-BFGS ends on it.

    Both alternate until all samples are stationary, since a coordinate may leave or join the active set.

    Args:
        problem: the problems.
        weight: lambda of each sample [B].
        ratio: weight of the L1 norm, in units of z; 0 leaves the squared norm alone.
        tolerance: residual at which all samples are finished.
        iterations: steps of either kind at most, in each of the rounds.
    """
    z, step = problem.start(), 1 / weight
    for _ in range(ROUNDS):
        z, step = _proximal_steps(problem, z, step, weight, ratio, iterations)
        ended = _on_active_set(problem, z, weight, ratio, tolerance, iterations)
        better = _residual(problem, ended, step, weight, ratio) < _residual(problem, z, step, weight, ratio)
        z = torch.where(better[:, None], ended, z)
        if (_residual(problem, z, step, weight, ratio) < tolerance).all():
            break
    with torch.no_grad():
        margin = problem.margin(z)
    return SparseCounterfactuals(z, margin, _residual(problem, z, step, weight, ratio))


def _proximal_steps(
    problem: Problem, z: torch.Tensor, step: torch.Tensor, weight: torch.Tensor, ratio: float, iterations: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points [B, P] and step sizes [B] after proximal gradient steps (Beck, Teboulle 2009)."""
    value, gradient = _smooth(problem, z, weight)
    for _ in range(iterations):
        trial = shrunk(z - step[:, None] * gradient, (step * weight * ratio)[:, None])
        move = trial - z
        new_value, new_gradient = _smooth(problem, trial, weight)
        # The smooth part must lie below its quadratic bound.
        bound = value + (gradient * move).sum(1) + (move * move).sum(1) / (2 * step)
        good = new_value <= bound
        z, gradient = (torch.where(good[:, None], *pair) for pair in ((trial, z), (new_gradient, gradient)))
        value = torch.where(good, new_value, value)
        step = step * torch.where(good, LARGER, SMALLER)
    return z, step


def _on_active_set(
    problem: Problem, z: torch.Tensor, weight: torch.Tensor, ratio: float, tolerance: float, iterations: int
) -> torch.Tensor:
    """Return points [B, P] that are minimal over the coordinates that are not 0, whose signs are taken as given."""
    sign = z.sign()

    def evaluate(points: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, gradient = _smooth(problem.rows(rows), points, weight[rows])
        slope = (weight[rows] * ratio)[:, None] * sign[rows]
        return value + (slope * points).sum(1), (gradient + slope) * sign[rows].abs()

    def done(points: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.norm(dim=1) / (weight * points.norm(dim=1)).clamp_min(SMALLEST) < tolerance / 2

    return lbfgs(evaluate, z, scale=1 / weight, done=done, iterations=iterations)


def _residual(
    problem: Problem, z: torch.Tensor, step: torch.Tensor, weight: torch.Tensor, ratio: float
) -> torch.Tensor:
    """Return the norm of the proximal gradient over lambda |z| [B]."""
    _, gradient = _smooth(problem, z, weight)
    move = shrunk(z - step[:, None] * gradient, (step * weight * ratio)[:, None]) - z
    return move.norm(dim=1) / step / (weight * z.norm(dim=1)).clamp_min(SMALLEST)


def _smooth(problem: Problem, z: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        value = problem.objective(z, weight)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient
