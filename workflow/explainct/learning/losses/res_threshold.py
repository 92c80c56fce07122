"""RES's adaptive threshold (equations 6 and 7, Algorithm 1), exact and in O(m log m)."""

import torch

STEP = 1e-4
"""How far above all maps a threshold lies that lets nothing pass, as in the code of RES."""


def adaptive_threshold(maps: torch.Tensor, sign: torch.Tensor, *, balanced: bool) -> torch.Tensor:
    """Return the smallest threshold a that best parts annotated cells (M >= a) from those labelled outside (M < a).

    Only thresholds at the values of the maps, and one above them all, can differ in what they part.

    Args:
        maps: explanations M of any shape.
        sign: H of the same shape: 1 annotated, -1 outside, 0 unlabelled and so ignored.
        balanced: add up the shares of both kinds of cells that are on their side, as coded; else their counts, as in
            equation 7.

    Returns:
        A scalar without gradient; 0 where nothing is labelled.

    >>> maps, sign = torch.tensor([0.125, 0.25, 0.5, 0.75]), torch.tensor([-1, -1, 1, 1])
    >>> adaptive_threshold(maps, sign, balanced=True).item()
    0.5
    """
    maps, sign = maps.detach()[sign != 0], sign[sign != 0]
    if len(maps) == 0:
        return maps.new_zeros(())
    values, which = maps.unique(return_inverse=True)
    kinds = torch.stack([sign > 0, sign < 0]).double()
    if balanced:
        kinds = kinds / kinds.sum(1, keepdim=True).clamp_min(1)
    annotated, outside = kinds.new_zeros(2, len(values) + 1).index_add_(1, which + 1, kinds).cumsum(1)
    satisfied = annotated[-1] - annotated + outside
    candidates = torch.cat([values, values[-1:] + STEP])
    # Shares are sums of fractions: equal ones may differ by rounding.
    return candidates[(satisfied >= satisfied.max() - 1e-9).int().argmax()]
