"""Fill a scan's lesions: by the model, or by signed distances where the model is none or has never seen their like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explainct.data.export.formats.filled import FilledMask
from explainct.due.interpolation_study.slice_uncertainty import slice_score
from explainct.due.uncertainty.fill_gaps import Filler
from explainct.predict.fill_lesions import INSIDE, Lesion, fill_by_distance, fill_by_model
from explainct.predict.seen import beyond_seen
from explainct.predict.self_test import HiddenSlice, Peer, hide_slices, mean_dice


@dataclass(frozen=True, eq=False)
class FilledLesion:
    """A lesion with its gaps filled, and how well that works on it.

    Attributes:
        lesion: its annotated slices.
        probability: [K, h, w] over its box, in [0, 1]; annotated slices are 0 or 1.
        variance: [K, h, w], in [0, 0.25]; 0 on annotated slices.
        method: `ours` or `sdf`, by which it was filled.
        flags: what of it lies outside of what the models have seen; empty where nothing does.
        hidden: its annotated slices that were hidden, with the answers of all methods.
    """

    lesion: Lesion
    probability: np.ndarray
    variance: np.ndarray
    method: str
    flags: list[str]
    hidden: list[HiddenSlice]

    @property
    def mask(self) -> FilledMask:
        """The lesion as a mask."""
        return FilledMask(self.lesion.outlines, self.lesion.box, self.probability >= INSIDE)

    def uncertain_slices(self) -> list[tuple[int, float]]:
        """Return the filled slices of the scan with their uncertainty, the least certain first."""
        annotated = set(self.lesion.annotated.tolist())
        filled = [at for at in range(len(self.probability)) if at not in annotated]
        scores = slice_score(self.probability[filled], self.variance[filled]) if filled else []
        first = self.lesion.box.start[0]
        order = sorted(zip(filled, scores, strict=True), key=lambda pair: -pair[1])
        return [(first + at, float(score)) for at, score in order]


def fill_all(
    lesions: Sequence[Lesion], filler: Filler | None, peer: Peer | None, generator: torch.Generator
) -> tuple[list[FilledLesion], float]:
    """Fill the gaps of lesions and test that on their own hidden slices.

    A lesion that lies outside of what the models have seen is filled by the better of model and signed distances on its
    hidden slices, and by signed distances where it has none.

    Args:
        lesions: the lesions.
        filler: the model, see `load_filler`; None for signed distances alone.
        peer: a further method of the test, or None.
        generator: random stream of the model.

    Returns:
        The filled lesions, and the pixels that the signed distances of gaps are moved outwards.
    """
    gaps, hidden = [lesion.gaps() for lesion in lesions], [lesion.hidden() for lesion in lesions]
    answers = tested = None
    if filler is not None:
        both = fill_by_model([*lesions, *lesions], [*gaps, *hidden], filler, generator)
        answers, tested = both[: len(lesions)], both[len(lesions) :]
    ours = None if tested is None else [[mean[0] for mean, _ in parts] for parts in tested]
    slices, bias = hide_slices(lesions, hidden, ours, peer)
    filled = []
    for number, lesion in enumerate(lesions):
        own = [one for one in slices if one.lesion == number]
        flags = beyond_seen(lesion)
        method = "sdf" if filler is None else _better(own) if flags else "ours"
        probability = np.zeros(lesion.box.shape, np.float32)
        probability[lesion.annotated] = lesion.known
        variance = np.zeros_like(probability)
        for at, gap in enumerate(gaps[number]):
            if method == "ours":
                mean, uncertain = answers[number][at]
            else:
                mean = fill_by_distance(lesion, gap, bias=bias)
                uncertain = mean * (1 - mean)
            probability[gap.slices], variance[gap.slices] = mean, uncertain
        filled.append(FilledLesion(lesion, probability, variance, method, flags, own))
    return filled, bias


def _better(hidden: Sequence[HiddenSlice]) -> str:
    """Return the method with the larger mean Dice on hidden slices: signed distances where that says nothing."""
    scores = {method: mean_dice(hidden, method) for method in ("sdf", "ours")}
    return "ours" if hidden and scores["ours"] > scores["sdf"] else "sdf"
