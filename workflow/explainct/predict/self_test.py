"""Hide annotated slices of the user's lesions, fill them, and compare: how well does filling work on these lesions?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explainct.due.interpolation.classical import SHIFTS
from explainct.due.interpolation.slice_scores import dice, region_of
from explainct.predict.fill_lesions import Lesion, Missing, fill_by_distance
from explainct.scoring.metrics.calibration import calibration_error

USUAL_BIAS = 0.45
"""Pixels that outlines of blended signed distances are moved outwards where no hidden slice can tune it: the value
tuned on the patients of LIDC-IDRI that taught the shipped models."""

Peer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Fills target positions [M] in mm from kept slices, bool [A, h, w], and theirs in mm [A]; returns [M, h, w]."""


@dataclass(frozen=True, eq=False)
class HiddenSlice:
    """One annotated slice that was hidden, with what each method says of it.

    Attributes:
        lesion: number of the lesion.
        slice: slice of the scan.
        gap_mm: distance between the two annotated slices around it in mm, about twice that of the gaps that are filled.
        truth: the outline, bool [h, w].
        region: pixels within 3 pixels of the outlines around, bool [h, w].
        answers: by method, in [0, 1] [h, w].
    """

    lesion: int
    slice: int
    gap_mm: float
    truth: np.ndarray
    region: np.ndarray
    answers: dict[str, np.ndarray]

    def dice(self, method: str) -> float:
        """Return the Dice overlap of a method's answer, cut at 0.5, with the outline."""
        return float(dice(self.answers[method][None], self.truth[None])[0])


def hide_slices(
    lesions: Sequence[Lesion],
    hidden: Sequence[Sequence[Missing]],
    ours: Sequence[Sequence[np.ndarray]] | None,
    peer: Peer | None,
) -> tuple[list[HiddenSlice], float]:
    """Return all hidden slices with the answer of each method, and the bias of signed distances tuned on all of them.

    The signed distances of a hidden slice are tuned on the other hidden slices, so that no answer knows its outline.

    Args:
        lesions: the lesions.
        hidden: their hidden slices, by lesion.
        ours: the model's answers [h, w] to them, by lesion; None without a model.
        peer: a further method, `itk`; None where it is not installed.
    """
    places = [(number, at) for number, parts in enumerate(hidden) for at in range(len(parts))]
    truths = [_truth(lesions[number], hidden[number][at]) for number, at in places]
    shifted = [
        np.stack([fill_by_distance(lesions[number], hidden[number][at], bias=bias)[0] for bias in SHIFTS])
        for number, at in places
    ]  # [biases, h, w] each
    scores = np.array([dice(s, np.broadcast_to(t, s.shape)) for s, t in zip(shifted, truths, strict=True)])
    slices = []
    for row, (number, at) in enumerate(places):
        lesion, one = lesions[number], hidden[number][at]
        others = np.delete(scores, row, axis=0)
        best = int(others.mean(0).argmax()) if len(others) else int(np.abs(SHIFTS - USUAL_BIAS).argmin())
        answers = {"sdf": shifted[row][best]}
        if ours is not None:
            answers["ours"] = ours[number][at]
        if peer is not None:
            answers["itk"] = _peer_answer(peer, lesion, one)
        around = lesion.known[[one.kept[one.lower], one.kept[one.lower + 1]]]
        low, high = lesion.z_mm[[one.kept[one.lower], one.kept[one.lower + 1]]]
        where = int(lesion.box.start[0] + one.slices[0])
        slices.append(HiddenSlice(number, where, float(high - low), truths[row], region_of(around), answers))
    return slices, float(SHIFTS[scores.mean(0).argmax()]) if len(scores) else USUAL_BIAS


def _peer_answer(peer: Peer, lesion: Lesion, one: Missing) -> np.ndarray:
    """Return a further method's answer to a hidden slice; it is asked for all slices of the gap, which ITK counts."""
    kept = list(one.kept)
    below, above = lesion.annotated[[kept[one.lower], kept[one.lower + 1]]]
    between = np.arange(below + 1, above)
    filled = peer(lesion.known[kept], lesion.z_mm[kept], lesion.all_z_mm[between])
    return filled[int(np.flatnonzero(between == one.slices[0])[0])]


def _truth(lesion: Lesion, one: Missing) -> np.ndarray:
    """Return the outline of a hidden slice, bool [h, w]."""
    return lesion.known[np.flatnonzero(lesion.annotated == one.slices[0])[0]]


def mean_dice(slices: Sequence[HiddenSlice], method: str) -> float | None:
    """Return a method's mean Dice over hidden slices; None where there are none, or the method did not answer."""
    scores = [one.dice(method) for one in slices if method in one.answers]
    return float(np.mean(scores)) if scores else None


def mean_calibration_error(slices: Sequence[HiddenSlice], method: str) -> float | None:
    """Return the calibration error of a method's probabilities near the outlines, all pixels in one list."""
    found = [one for one in slices if method in one.answers]
    if not found:
        return None
    probability = np.concatenate([one.answers[method][one.region] for one in found])
    truth = np.concatenate([one.truth[one.region] for one in found])
    return calibration_error(probability.astype(np.float64), truth.astype(np.float64))
