"""Measure whether uncertainty rises with the distance to the nearest kept slice."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from explainct.errors import UserError
from explainct.scoring.statistics.checks import DECIMALS, MM_DECIMALS, check_lists, rounded

WIDEST = 4
"""Largest number of slices from a hidden slice to the kept ones around it, where gaps grow."""


class Share(NamedTuple):
    """How many of the nodules or slices that could show a rise do show it.

    Attributes:
        rising: share with a rank correlation above 0, NaN where none could show it.
        count: how many could.
    """

    rising: float
    count: int


class GrowingGap(NamedTuple):
    """A hidden slice and the slices kept around it.

    Attributes:
        slice: number of the hidden slice.
        g: slices from it to either of the two around.
        kept: slices at -2 g, -g, +g and +2 g from it, -1 where the nodule has none.
    """

    slice: int
    g: int
    kept: tuple[int, int, int, int]


class GapTrend(NamedTuple):
    """How a score follows the growing gap around one hidden slice.

    Attributes:
        rising: share of slices whose score rises with the gap.
        means: a row per g with `g`, mean `gap_mm`, mean `score` and number `n` of slices, always the same slices.
    """

    rising: Share
    means: pd.DataFrame


def distance_share(score: np.ndarray, distance_mm: np.ndarray, lesion: np.ndarray) -> Share:
    """Return in how many nodules the score rises with the distance to the nearest kept slice.

    Nodules with one distance only can show nothing and are left out. A constant score does not rise. By chance the
    share is somewhat below 1/2, since a rank correlation of exactly 0 is no rise.

    Args:
        score: uncertainty of each slice [M].
        distance_mm: its distance to the nearest kept slice in mm [M], compared to 3 decimals.
        lesion: whose slice it is [M].

    Raises:
        UserError: lengths differ or are 0, or values are not finite.
    """
    check_lists(score=score, distance_mm=distance_mm, lesion=lesion)
    return _rising(score, distance_mm, lesion)


def growing_gaps(slices: int) -> list[GrowingGap]:
    """Return every way to hide one slice of a nodule between two that are 1 to 4 slices away on either side.

    The content of the hidden slice stays the same while the gap around it grows, so a trend over g is due to the gap.

    Args:
        slices: number K of the nodule's slices.

    Returns:
        Records by slice, then by g.
    """
    return [
        GrowingGap(k, g, tuple(place if 0 <= place < slices else -1 for place in (k - 2 * g, k - g, k + g, k + 2 * g)))
        for k in range(slices)
        for g in range(1, WIDEST + 1)
        if k - g >= 0 and k + g < slices
    ]


def gap_trend(score: np.ndarray, gap_mm: np.ndarray, slice_id: np.ndarray) -> GapTrend:
    """Return whether the score of the same hidden slice rises as the gap around it grows.

    Slices with one gap only can show nothing and are left out of the share. The means are over the slices that have
    all four gaps, so that they compare the same slices.

    Args:
        score: uncertainty of each record of `growing_gaps` [N].
        gap_mm: distance between the two kept slices around in mm [N], compared to 3 decimals.
        slice_id: name of the hidden slice, different in different nodules [N].

    Raises:
        UserError: lengths differ or are 0, values are not finite, or a slice has a gap twice.
    """
    check_lists(score=score, gap_mm=gap_mm, slice_id=slice_id)
    table = pd.DataFrame({"score": score, "gap_mm": rounded(gap_mm, MM_DECIMALS), "slice_id": slice_id})
    if table.duplicated(["slice_id", "gap_mm"]).any():
        twice = table.loc[table.duplicated(["slice_id", "gap_mm"]), "slice_id"].iloc[0]
        raise UserError(
            f"The slice {twice} has the same gap twice; one score per slice and gap was expected. "
            "Give the slices of different nodules different names."
        )
    by_slice = table.groupby("slice_id")["gap_mm"]
    whole = table.assign(g=by_slice.rank().astype(int))[by_slice.transform("size") == WIDEST]
    means = whole.groupby("g", as_index=False).agg(
        gap_mm=("gap_mm", "mean"), score=("score", "mean"), n=("score", "size")
    )
    return GapTrend(_rising(score, gap_mm, slice_id), means)


def _rising(score: np.ndarray, along: np.ndarray, group: np.ndarray) -> Share:
    """Return the share of groups whose score rises with `along`, of those in which it can."""
    score, along = rounded(score, DECIMALS), rounded(along, MM_DECIMALS)
    # Centred mid-ranks are multiples of 1/2, so the sign of their product is exact.
    rising = [
        np.dot(_centred(score[part]), _centred(along[part])) > 0 for part in _members(group) if np.ptp(along[part]) > 0
    ]
    return Share(float(np.mean(rising)) if rising else np.nan, len(rising))


def _centred(values: np.ndarray) -> np.ndarray:
    return rankdata(values) - (len(values) + 1) / 2


def _members(group: np.ndarray) -> list[np.ndarray]:
    """Return the places of each group's members."""
    _, number, sizes = np.unique(group, return_inverse=True, return_counts=True)
    return np.split(np.argsort(number, kind="stable"), np.cumsum(sizes)[:-1])
