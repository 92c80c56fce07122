"""One gradient of the alignment of counterfactuals: solve them, gate them, and differentiate through them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from explainct.cfalign.alignment import MEASURES
from explainct.cfalign.counterfactual import Problem, other_class, solve
from explainct.cfalign.implicit import implicit_gradient
from explainct.cfalign.spaces import Space

Pose = Callable[[nn.Module, Space, torch.Tensor], Problem]
"""From a network, a space and images [B, 1, H, W] to their problems."""


def class_problem(network: nn.Module, space: Space, images: torch.Tensor) -> Problem:
    """Return the problems of reaching the likeliest class but the predicted one, for images [B, 1, H, W]."""
    return Problem(network, space, space.base(images), other_class(network, images))


@dataclass(frozen=True)
class AlignmentStep:
    """The gradient of an alignment loss, and how the counterfactuals behind it went.

    Attributes:
        gradients: the gradient of the mean alignment loss of the used samples, by parameter.
        loss: that loss; NaN where no sample is used.
        flipped: share of samples that reach y*.
        gated: share of samples that are stationary.
        used: share of samples that pass all gates.
    """

    gradients: list[torch.Tensor]
    loss: float
    flipped: float
    gated: float
    used: float


def alignment_step(
    network: nn.Module,
    space: Space,
    images: torch.Tensor,
    inside: torch.Tensor,
    parameters: Sequence[torch.Tensor],
    *,
    measure: str,
    settings: Mapping[str, Any],
    pose: Pose = class_problem,
) -> AlignmentStep:
    """Return the gradient of the alignment loss of a batch.

    Args:
        network: the classifier, smooth.
        space: where counterfactuals are looked for.
        images: [B, 1, H, W].
        inside: where a change belongs, 0 or 1 [B, 1, H, W].
        parameters: the network's.
        measure: `share` or `l1` of `explainct.cfalign.alignment`.
        settings: `tolerance`, `iterations`, `retries` of the solver; `gate`, `cg_steps`, `cg_tolerance`, `cg_gate` and
            `chunk` of the implicit gradient.
        pose: makes the problems of images; by default those of the other class.
    """
    problem = pose(network, space, images)
    found = solve(problem, **{name: settings[name] for name in ("tolerance", "iterations", "retries")})
    compare = MEASURES[measure]
    stationary = found.stationary(settings["gate"])
    result = implicit_gradient(
        lambda z, rows: problem.rows(rows).objective(z, found.weight[rows]),
        lambda z, rows: compare(space.change(problem.base[rows], z), inside[rows]),
        found.z,
        parameters,
        stationary=stationary,
        steps=settings["cg_steps"],
        tolerance=settings["cg_tolerance"],
        gate=settings["cg_gate"],
        chunk=settings["chunk"],
    )
    shares = (part.float().mean().item() for part in (found.flipped, stationary, result.used))
    return AlignmentStep(result.gradients, result.loss, *shares)


def bounded(gradients: Sequence[torch.Tensor], reference: float, ratio: float) -> list[torch.Tensor]:
    """Return gradients scaled down to at most `ratio` times a norm.

    The gradient of alignment is several times longer than that of the cross-entropy, and steps along it alone end at a
    constant network.

    Args:
        gradients: by parameter.
        reference: the norm of the cross-entropy's gradient.
        ratio: rho.
    """
    norm = norm_of(gradients)
    factor = min(1.0, ratio * reference / norm) if norm > 0 else 1.0
    return [factor * part for part in gradients]


def norm_of(gradients: Sequence[torch.Tensor]) -> float:
    """Return the Euclidean norm of all gradients together."""
    return float(torch.stack([part.norm() for part in gradients]).norm())
