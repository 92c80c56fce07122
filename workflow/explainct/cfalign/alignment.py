"""How much of a counterfactual's change lies outside of what readers outlined (CF-Align, Eq. 2)."""

from collections.abc import Callable

import torch

SMALLEST = 1e-12

Measure = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From changes [B, 1, H, W] and where they belong, 0 or 1 [B, 1, H, W], to a number for each sample [B]."""


def sum_outside(change: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return the L1 norm of the change outside [B], as published (Eq. 2).

    A network lowers it by becoming steeper, which makes every change smaller, wherever it lies.
    """
    return ((1 - inside) * change).abs().flatten(1).sum(1)


def share_outside(change: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return the share of the absolute change that lies outside [B], in [0, 1]; 0 where nothing changes.

    It does not depend on how steep the network is.
    """
    return sum_outside(change, inside) / change.abs().flatten(1).sum(1).clamp_min(SMALLEST)


MEASURES: dict[str, Measure] = {"share": share_outside, "l1": sum_outside}
"""All measures by name."""


def share_inside(amount: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return the share of an amount, such as a map's, that lies inside [B]; 0 for an amount of zeros.

    Args:
        amount: not negative [B, 1, H, W].
        inside: 0 or 1 [B, 1, H, W].
    """
    return (amount * inside).flatten(1).sum(1) / amount.flatten(1).sum(1).clamp_min(SMALLEST)
