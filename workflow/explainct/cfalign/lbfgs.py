"""L-BFGS for many small problems at once: each sample has its own history, step and end (Liu, Nocedal 1989)."""

from collections.abc import Callable

import torch

MEMORY = 8
DECREASE = 1e-4
"""Share of the linear decrease that a step must keep (Armijo)."""
SHRINK = 0.3
MOST_TRIALS = 8
ROUNDINGS = 10
"""Errors of rounding within which two values count as equal."""

Evaluate = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""From points [b, P] of the samples with these numbers [b] to values [b] and gradients [b, P]."""
Done = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From points [B, P] and gradients [B, P] to which samples need no more steps, bool [B]."""
Pair = tuple[torch.Tensor, torch.Tensor]


def lbfgs(evaluate: Evaluate, start: torch.Tensor, *, scale: torch.Tensor, done: Done, iterations: int) -> torch.Tensor:
    """Return points [B, P] that minimise each sample's value; only unfinished samples are evaluated.

    Args:
        evaluate: values and gradients.
        start: points to start from [B, P].
        scale: inverse curvature of each sample where nothing is known of it yet [B].
        done: which samples are finished.
        iterations: steps of a sample at most.
    """
    z = start.clone()
    value, gradient = evaluate(z, torch.arange(len(z), device=z.device))
    pairs: list[Pair] = []
    for _ in range(iterations):
        rows = (~done(z, gradient)).nonzero()[:, 0]
        if not len(rows):
            break
        direction = -_inverse_times(gradient[rows], [(s[rows], y[rows]) for s, y in pairs], scale[rows])
        ascends = (direction * gradient[rows]).sum(1) >= 0
        direction[ascends] = -(scale[rows, None] * gradient[rows])[ascends]
        moved, new_value, new_gradient, accepted = _backtrack(
            evaluate, z[rows], value[rows], gradient[rows], direction, rows
        )
        step, change = torch.zeros_like(z), torch.zeros_like(z)
        step[rows], change[rows] = moved - z[rows], new_gradient - gradient[rows]
        for s, y in pairs:  # a sample without a step forgets, and descends along its gradient next time
            s[rows[~accepted]], y[rows[~accepted]] = 0, 0
        pairs = [*pairs[-MEMORY + 1 :], (step, change)]
        z[rows], value[rows], gradient[rows] = moved, new_value, new_gradient
    return z


def _backtrack(
    evaluate: Evaluate,
    z: torch.Tensor,
    value: torch.Tensor,
    gradient: torch.Tensor,
    direction: torch.Tensor,
    rows: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return points, values and gradients after a step that decreases enough, and which samples found one.

    Args:
        evaluate: values and gradients.
        z: points [b, P].
        value: their values [b].
        gradient: their gradients [b, P].
        direction: where to go, downhill [b, P].
        rows: numbers of the samples [b].
    """
    slope = (direction * gradient).sum(1)
    length, steepness = torch.ones_like(value), gradient.norm(dim=1)
    rounding = ROUNDINGS * torch.finfo(value.dtype).eps
    z, value, gradient, before = z.clone(), value.clone(), gradient.clone(), value
    left = torch.arange(len(z), device=z.device)
    for _ in range(MOST_TRIALS):
        trial = z[left] + length[left, None] * direction[left]
        found, slopes = evaluate(trial, rows[left])
        good = found <= before[left] + DECREASE * length[left] * slope[left]
        # Near the minimum the decrease is lost in rounding, and the gradient tells (Hager, Zhang 2005).
        equal = found <= before[left] + rounding * before[left].abs()
        good |= equal & (slopes.norm(dim=1) < steepness[left])
        at = left[good]
        z[at], value[at], gradient[at] = trial[good], found[good], slopes[good]
        left = left[~good]
        if not len(left):
            break
        length[left] *= SHRINK
    accepted = torch.ones(len(z), dtype=torch.bool, device=z.device)
    accepted[left] = False
    return z, value, gradient, accepted


def _inverse_times(gradient: torch.Tensor, pairs: list[Pair], scale: torch.Tensor) -> torch.Tensor:
    """Return the inverse Hessian, as the pairs of steps and changes of gradient tell it, times gradients [b, P].

    A pair without positive curvature, such as that of a sample that was finished, counts for nothing.
    """
    q, kept = gradient.clone(), []
    for s, y in reversed(pairs):
        curvature = (s * y).sum(1, keepdim=True)
        weight = torch.where(curvature > 0, 1 / curvature.where(curvature > 0, torch.ones_like(curvature)), 0)
        part = weight * (s * q).sum(1, keepdim=True)
        q = q - part * y
        kept.append((s, y, weight, part))
    inverse = scale[:, None].clone()
    for s, y, weight, _ in reversed(kept):  # the latest pair with curvature sets the scale
        squared = (y * y).sum(1, keepdim=True)
        inverse = torch.where(weight > 0, (s * y).sum(1, keepdim=True) / squared.clamp_min(1e-30), inverse)
    q = inverse * q
    for s, y, weight, part in reversed(kept):
        q = q + s * (part - weight * (y * q).sum(1, keepdim=True))
    return q
