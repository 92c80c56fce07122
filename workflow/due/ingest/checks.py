"""Checks of a series' geometry: a box of voxels is only a box in space if all slices are alike and evenly spaced."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from due.ingest.header import Header

STEP_TOLERANCE = 0.05
"""Share of the slice spacing by which a step between slices may differ from it. The 1,014 regular scans of LIDC stay
below 0.0002, its 4 irregular ones begin at 0.6."""

SAME_PLACE_MM = 0.01
"""Slices closer than this lie at the same place."""

AXIS_TOLERANCE = 1e-3
"""Largest component of a slice's axes along z, and largest difference between the axes of two slices."""

SHIFT_TOLERANCE_MM = 0.1
"""How far the slices of a series may be shifted against each other in-plane."""


def in_z_order(headers: Sequence[Header]) -> list[Header]:
    """Return the slices with z ascending; those without a position come first, equal ones in order of their files."""
    return sorted(headers, key=lambda header: (header.position[2:], header.path.as_posix()))


def find_problem(headers: Sequence[Header]) -> str:
    """Return in one sentence why a series cannot be used, or an empty string.

    Args:
        headers: the slices of one series, z ascending.
    """
    for header in headers:
        if header.problem:
            return f"File {header.path.as_posix()} {header.problem} (series {header.series_uid})."
    if len(headers) < 2:
        return f"Series {headers[0].series_uid} has only 1 slice (at least 2 expected)."
    return _mixed(headers) or _tilted(headers[0]) or _shifted(headers) or _uneven(headers)


def _mixed(headers: Sequence[Header]) -> str:
    """Compare size, voxel size and orientation of all slices with the first."""
    first = headers[0]
    for header in headers[1:]:
        pairs = {
            "size": ((first.rows, first.columns), (header.rows, header.columns)),
            "pixel spacing": (first.pixel_spacing, header.pixel_spacing),
            "orientation": (first.orientation, header.orientation),
        }
        for what, (one, other) in pairs.items():
            if not np.allclose(one, other, rtol=0, atol=AXIS_TOLERANCE):
                return (
                    f"Series {first.series_uid} mixes slices of different {what}: instance {first.instance} has {one}, "
                    f"instance {header.instance} has {other}."
                )
    return ""


def _tilted(header: Header) -> str:
    along_z = np.abs([header.orientation[2], header.orientation[5]]).max()
    if along_z <= AXIS_TOLERANCE:
        return ""
    return (
        f"The slices of series {header.series_uid} are tilted: their axes are {header.orientation}, "
        "where axial slices were expected."
    )


def _shifted(headers: Sequence[Header]) -> str:
    first = headers[0]
    for header in headers[1:]:
        shift = np.abs(np.subtract(header.position, first.position)[:2]).max()
        if shift > SHIFT_TOLERANCE_MM:
            return (
                f"Instances {first.instance} and {header.instance} of series {first.series_uid} are shifted in-plane "
                f"by {shift:.1f} mm against each other (expected 0)."
            )
    return ""


def _uneven(headers: Sequence[Header]) -> str:
    """Look for repeated and missing slices and for other steps that differ from the median step."""
    steps = np.diff([header.position[2] for header in headers])
    expected = np.median(steps)
    series = headers[0].series_uid
    for (one, other), step in zip(pairwise(headers), steps, strict=True):
        where = f"between instances {one.instance} and {other.instance} of series {series}"
        if step < SAME_PLACE_MM:
            return f"No distance {where}: the slice at z = {one.position[2]:.2f} mm is there twice."
        if abs(step - expected) <= STEP_TOLERANCE * expected:
            continue
        missing = round(step / expected) - 1
        if missing > 0 and abs(step - (missing + 1) * expected) <= STEP_TOLERANCE * expected:
            what = "a slice" if missing == 1 else f"{missing} slices"
            return f"Slice gap of {step:.5g} mm {where} (expected {expected:.5g} mm); the series misses {what}."
        return f"Slice step of {step:.5g} mm {where} (expected {expected:.5g} mm); the slices are unevenly spaced."
    return ""
