"""Counterfactuals: the smallest change by which a network says another class (CF-Align, Eq. 1; Wachter et al. 2017).

Each sample has its own problem, min over z of CE(f(x(z)), y*) + lambda / 2 |z|^2, and its own lambda.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from explainct.cfalign.lbfgs import lbfgs
from explainct.cfalign.spaces import Space

MARGIN = 1.0
"""Logit margin of y* at which the linearised problem aims."""
NEWTON_STEPS = 3
LONGEST_STEP = 2.0
"""Longest of these steps, as a norm of z."""
SMALLEST_WEIGHT = 1e-4
"""Smallest lambda. Where a network is flat no lambda makes a minimum, and the gate leaves the sample out."""
RETRY = 0.3
"""Factor of lambda where y* was not reached."""
SMALLEST = 1e-12


@dataclass(frozen=True)
class Problem:
    """The counterfactual problems of a batch.

    Attributes:
        network: from images [B, 1, H, W] to logits [B, K], each sample by itself.
        space: where changes live.
        base: what the space knows of the images [B, ...]; on a grid the images themselves.
        targets: the class y* to be reached, int64 [B].
    """

    network: nn.Module
    space: Space
    base: torch.Tensor
    targets: torch.Tensor

    def rows(self, rows: torch.Tensor) -> Self:
        """Return the problems with these numbers."""
        return type(self)(self.network, self.space, self.base[rows], self.targets[rows])

    def start(self) -> torch.Tensor:
        """Return z = 0 [B, P]."""
        return self.base.new_zeros(len(self.base), self.space.size(self.base))

    def logits(self, z: torch.Tensor) -> torch.Tensor:
        """Return logits [B, K] at points z [B, P]."""
        return self.network(self.space.image(self.base, z))

    def margin(self, z: torch.Tensor) -> torch.Tensor:
        """Return the log odds of y* [B]; the cross-entropy is softplus of minus it."""
        logits = self.logits(z)
        own = torch.nn.functional.one_hot(self.targets, logits.shape[1]).bool()
        return logits[own] - logits.masked_fill(own, -torch.inf).logsumexp(1)

    def objective(self, z: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return CE + lambda / 2 |z|^2 of each sample [B], for points z [B, P] and lambdas `weight` [B]."""
        return cross_entropy(self.logits(z), self.targets, reduction="none") + weight / 2 * (z * z).sum(1)


@dataclass(frozen=True)
class Counterfactuals:
    """Solutions of a batch of problems.

    Attributes:
        z: points [B, P].
        weight: lambda of each sample [B].
        margin: log odds of y* [B].
        residual: norm of the objective's gradient over lambda |z| [B]; 0 is stationary.
    """

    z: torch.Tensor
    weight: torch.Tensor
    margin: torch.Tensor
    residual: torch.Tensor

    @property
    def flipped(self) -> torch.Tensor:
        """Return which samples reach y*, bool [B]."""
        return self.margin > 0

    def stationary(self, gate: float) -> torch.Tensor:
        """Return which samples have a residual below `gate`, bool [B]; one that is not a number has none."""
        return self.residual < gate


def other_class(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the class y* that counterfactuals reach for: the likeliest but the predicted one, int64 [B]."""
    with torch.no_grad():
        return network(images).topk(2, dim=1).indices[:, 1]


def solve(
    problem: Problem,
    *,
    weight: torch.Tensor | None = None,
    margin: float = MARGIN,
    tolerance: float,
    iterations: int,
    retries: int,
) -> Counterfactuals:
    """Return the counterfactuals of a batch.

    Args:
        problem: the problems.
        weight: lambda of each sample [B]; by default that at which the linearised problem has its minimum at `margin`.
        margin: log odds of y* at which the linearised problem aims.
        tolerance: residual below which a sample is finished.
        iterations: steps of L-BFGS at most, in each try.
        retries: how often a sample that does not reach y* is tried again, each time with 0.3 of lambda.
    """
    if weight is None:
        z, weight = linearised(problem, margin=margin)
    else:
        z, weight = problem.start(), weight.clone()
    rows = torch.arange(len(z), device=z.device)
    for _ in range(retries + 1):
        z[rows] = minimise(problem.rows(rows), z[rows], weight[rows], tolerance=tolerance, iterations=iterations)
        with torch.no_grad():
            reached = problem.rows(rows).margin(z[rows]) > 0
        rows, before = rows[~reached], weight.clone()
        if not len(rows):
            break
        weight[rows] *= RETRY
    weight[rows] = before[rows]  # the lambda of the last try
    return described(problem, z, weight)


def described(problem: Problem, z: torch.Tensor, weight: torch.Tensor) -> Counterfactuals:
    """Return points with what is known of them: see `Counterfactuals`."""
    everyone = torch.arange(len(z), device=z.device)
    _, gradient = _evaluate(problem, z, weight, everyone)
    with torch.no_grad():
        return Counterfactuals(z, weight, problem.margin(z), residual_of(z, gradient, weight))


def linearised(problem: Problem, *, margin: float = MARGIN) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where the problem's linearisation has its minimum, [B, P], and the lambda [B] that goes with it.

    The smallest z with log odds `margin` is sought by three Newton steps. There the gradient of the cross-entropy
    alone is sigmoid(-m) |g| long, so lambda is that over |z|.

    Args:
        problem: the problems.
        margin: log odds of y*.
    """
    z = problem.start()
    for step in range(NEWTON_STEPS + 1):
        value, gradient = _margin_and_gradient(problem, z)
        norm = gradient.norm(dim=1)
        if step == NEWTON_STEPS:
            break
        along = (margin - value + (gradient * z).sum(1)) / (norm * norm).clamp_min(SMALLEST)
        move = along[:, None] * gradient - z
        z = z + move * (LONGEST_STEP / move.norm(dim=1, keepdim=True).clamp_min(SMALLEST)).clamp_max(1)
    weight = torch.sigmoid(-value) * norm / z.norm(dim=1).clamp_min(SMALLEST)
    return z, weight.clamp_min(SMALLEST_WEIGHT)


def minimise(
    problem: Problem, z: torch.Tensor, weight: torch.Tensor, *, tolerance: float, iterations: int
) -> torch.Tensor:
    """Return points z [B, P] where each objective is least, from points z on; lambdas are `weight` [B]."""
    return lbfgs(
        lambda points, rows: _evaluate(problem, points, weight, rows),
        z,
        scale=1 / weight,
        done=lambda points, gradient: residual_of(points, gradient, weight) < tolerance,
        iterations=iterations,
    )


def residual_of(z: torch.Tensor, gradient: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the norm of the gradient over lambda |z| [B]; infinite where nothing changes."""
    size = weight * z.norm(dim=1)
    return torch.where(size > SMALLEST, gradient.norm(dim=1) / size.clamp_min(SMALLEST), torch.inf)


def _evaluate(
    problem: Problem, z: torch.Tensor, weight: torch.Tensor, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the objective [b] and its gradient [b, P] at points z [b, P] of the samples `rows`."""
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        value = problem.rows(rows).objective(z, weight[rows])
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient


def _margin_and_gradient(problem: Problem, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        value = problem.margin(z)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient
