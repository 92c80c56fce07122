"""Hide contexts in training and weigh a slice's pixels, as all learned interpolators do."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from explainct.due.interpolation.classical import REACH
from explainct.due.interpolation.gaps import ABOVE, BELOW, Surroundings

HIDDEN = (0.1, 0.05, 0.05, 0.1)
"""Probability that the context of each context slice is hidden in training, each on its own (p_mask of Eq. 3).

The paper hides with 1/2, so that three examples of four lack a slice that is always there when gaps are filled.
"""

ONE_READER = 0.1
"""Probability that a training example looks like one reader's: most annotations have no second one."""

NEAR = 3.5
"""Pixels from an outline: 4 outside of a shape, whose outline runs half a pixel outside of its outermost pixels."""


def hide_some(around: Surroundings, generator: torch.Generator) -> Surroundings:
    """Return surroundings of which some contexts, and of some slices what single readers say, are hidden at random."""
    chances = torch.tensor(HIDDEN, device=generator.device)
    hidden = torch.rand(around.shown.shape, generator=generator, device=generator.device) < chances
    agreed = torch.rand(len(around), generator=generator, device=generator.device) < ONE_READER
    return replace(
        around,
        shown=around.shown & ~hidden.to(around.shown.device),
        disagreement=around.disagreement * ~agreed.to(around.disagreement.device)[:, None, None, None],  # [B, 1, 1, 1]
    )


def outline_loss(logits: torch.Tensor, target: torch.Tensor, around: Surroundings) -> torch.Tensor:
    """Return the cross-entropy of slices over the number of pixels within 4 pixels of the two slices around.

    So that a slice of a small lesion counts as much as one of a large one. The number depends on what is known only,
    hence the logits that minimise the loss are still those of the probability.

    Args:
        logits: that a pixel is inside [B, 1, S, S].
        target: share of annotation [B, 1, S, S] in [0, 1].
        around: what is known of the slices, before any of it was hidden.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum((1, 2, 3))  # [B]
    near = (around.fields[:, BELOW : ABOVE + 1] >= -NEAR / REACH).any(dim=1).sum((1, 2))  # [B, 2, S, S] to [B]
    return (entropy / near.clamp(min=1)).mean()
