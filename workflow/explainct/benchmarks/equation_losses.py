"""What the papers of RES, HAICS and GRADIA ask for, written down anew, one sample and one cell at a time.

`gradia`, `haics` and `res_*` without `_published` are tested against it: they follow the equations of RES's paper where
its code differs from them (`published_losses.py`), and label cells by area. It shares no code with them.

Cells are [h, w] or [d, h, w], batches a list of them or a leading axis B.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch

from explainct.benchmarks.published_losses import STEEPNESS

EDGE = 0.01
"""How far from 0 and 1 explanations are kept in HAICS's cross-entropy."""

SLACK = 0.01
"""Slack alpha of RES, for scenes."""


class Labels(NamedTuple):
    """Labels of cells: the annotated share F in [0, 1], and H: 1 annotated, -1 outside, 0 unlabelled; any shape."""

    shares: torch.Tensor
    signs: torch.Tensor


def area_labels(mask: torch.Tensor, seen: torch.Tensor, cells: tuple[int, ...]) -> Labels:
    """Return labels of one sample's cells: annotated is half of the labelled voxels, or the most that any cell has.

    Args:
        mask: annotated voxels, 0 or 1, of a grid that the cells divide evenly.
        seen: labelled voxels, 0 or 1, of the same shape.
        cells: cells along each axis.
    """
    shares, signs = mask.new_zeros(cells), mask.new_zeros(cells)
    edges = [size // count for size, count in zip(mask.shape, cells, strict=True)]
    for cell in product(*map(range, cells)):
        voxels = tuple(slice(place * edge, (place + 1) * edge) for place, edge in zip(cell, edges, strict=True))
        labelled = float(seen[voxels].sum())
        if labelled:
            shares[cell] = float((mask * seen)[voxels].sum()) / labelled
            signs[cell] = -1
    signs[(shares > 0) & (shares >= min(0.5, float(shares.max())))] = 1
    return Labels(shares, signs)


def explanation(raw: torch.Tensor) -> torch.Tensor:
    """Return the explanation of a raw map: its positive part over its maximum (RES, section 4.1)."""
    positive = raw.clamp_min(0)
    return positive / positive.max() if positive.max() > 0 else positive


def gradia(explanations: torch.Tensor, labels: Labels) -> torch.Tensor:
    """Return the mean of |M - F| over the labelled cells of a batch, a scalar."""
    labelled = labels.signs != 0
    return (explanations - labels.shares)[labelled].abs().mean()


def haics(explanations: torch.Tensor, labels: Labels) -> torch.Tensor:
    """Return the mean cross-entropy of M and F over the labelled cells of a batch, a scalar."""
    labelled = labels.signs != 0
    values, shares = explanations.clamp(EDGE, 1 - EDGE)[labelled], labels.shares[labelled]
    return -(shares * values.log() + (1 - shares) * (1 - values).log()).mean()


def threshold(explanations: torch.Tensor, signs: torch.Tensor) -> float:
    """Return the threshold of equation 7, the smallest of the best: as many cells as can be are on their side."""
    values = sorted(set(explanations[signs != 0].tolist()))
    candidates = [*values, values[-1] + 1e-4]
    kept = [
        int(((explanations >= value) & (signs > 0)).sum() + ((explanations < value) & (signs < 0)).sum())
        for value in candidates
    ]
    return candidates[kept.index(max(kept))]


def gaussian(signs: torch.Tensor) -> torch.Tensor:
    """Return RES-G's imputation of one sample's labels H: each annotated cell spreads to its neighbours."""
    spread = torch.zeros_like(signs)
    for cell in (signs > 0).nonzero().tolist():
        for steps in product((-1, 0, 1), repeat=signs.ndim):
            place = tuple(at + step for at, step in zip(cell, steps, strict=True))
            if all(0 <= at < size for at, size in zip(place, signs.shape, strict=True)):
                spread[place] += 0.5 ** (signs.ndim + sum(map(abs, steps)))
    return spread / spread.max() if spread.max() > 0 else spread


def res(explanations: torch.Tensor, signs: torch.Tensor, imputed: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return RES's loss (equation 8): a hinge per sample, and the distance to an imputed annotation of labelled cells.

    Args:
        explanations: M in [0, 1], a leading axis B.
        signs: H of the same shape.
        imputed: the imputed annotation of each sample.
    """
    best = threshold(explanations.detach(), signs)
    hinges, distances = [], []
    for one, sign, wanted in zip(explanations, signs, imputed, strict=True):
        labelled = sign != 0
        if labelled.any():
            binary = (torch.tanh(STEEPNESS * (one - best)) - sign)[labelled].abs().mean()
            hinges.append((binary - SLACK).clamp_min(0))
            distances.append((one - wanted)[labelled].abs())
    return sum(hinges) / len(explanations) + torch.cat(distances).mean()
