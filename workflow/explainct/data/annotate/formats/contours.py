"""Contours of one lesion, points in mm, on the slices of a scan: what RTSTRUCT and tables of points have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine

from explainct.data.annotate.formats.outlines import Outlines, gather
from explainct.data.annotate.formats.polygons import Drawn, draw_contours, fill_polygon
from explainct.data.ingest.user_scan import Scan
from explainct.errors import UserError

TOLERANCE = 0.2
"""Largest distance of a contour from its slice, in shares of the step between slices."""

LEAST_POINTS = 3


@dataclass(frozen=True, eq=False)
class Contour:
    """One closed contour.

    Attributes:
        points: corners, LPS mm [N, 3].
        exclusive: whether it excludes what other contours of its slice hold too (CLOSEDPLANAR_XOR).
    """

    points: np.ndarray
    exclusive: bool = False


def outline_lesion(
    name: str, contours: Sequence[Contour], scan: Scan, *, snap: bool, where: str, key: object = None
) -> tuple[Outlines | None, list[str]]:
    """Return the outlines that contours make on the slices of a scan, and what was decided about them.

    Contours lie on the slice that is nearest along the axis of the slices. A slice whose contours hold no pixel centre
    is not annotated, and noted.

    Args:
        name: name of the lesion.
        contours: its closed contours.
        scan: the scan.
        snap: take the nearest slice for a contour that lies more than 0.2 of a step off it.
        where: what a message calls the lesion, such as `ROI 'GTV' of a.dcm`.
        key: what the file calls the lesion.

    Raises:
        UserError: a contour lies off the slices, is not in one plane, or reaches beyond the rows and columns.
    """
    to_index = np.linalg.inv(scan.geometry.affine)
    masks: dict[int, list[np.ndarray]] = {}
    exclusive: dict[int, bool] = {}
    notes = []
    for contour in contours:
        k, snapped = _slice_of(contour.points, scan, snap, where)
        if snapped:
            notes.append(snapped)
        if len(contour.points) < LEAST_POINTS:
            mask = np.zeros(scan.shape[1:], bool)
        else:
            indices = apply_affine(to_index, contour.points)[:, 1:]  # [N, 2], row and column
            _check_inside(indices, scan, where)
            mask = fill_polygon(indices, scan.shape[1:])
        masks.setdefault(k, []).append(mask)
        exclusive[k] = exclusive.get(k, False) or contour.exclusive
    planes = {}
    for k, found in sorted(masks.items()):
        drawn = draw_contours(found, exclusive=exclusive[k])
        notes += _said(f"{where}, slice {k + 1} at z = {scan.z_mm[k]:.4g} mm", drawn)
        if drawn.mask.any():
            planes[k] = drawn.mask
    return gather(name, planes, key), notes


def _slice_of(points: np.ndarray, scan: Scan, snap: bool, where: str) -> tuple[int, str]:
    """Return the slice of a contour, and a note where it lies off it by more than is tolerated."""
    z = points[:, 2]
    step = float(scan.row["spacing_z"])
    if np.ptp(z) > TOLERANCE * step:
        raise UserError(
            f"{where} has a contour that spans {np.ptp(z):.4g} mm across the slices, from z = {z.min():.4g} to "
            f"{z.max():.4g} mm; contours in one axial plane were expected. Draw it on the slices of the scan."
        )
    k, off = scan.slice_at(float(z.mean()))
    if off <= TOLERANCE:
        return k, ""
    distance = f"z = {z.mean():.4g} mm, {off * step:.3g} mm off the nearest slice (steps of {step:.3g} mm)"
    if not snap or off > 1:
        raise UserError(
            f"{where} has a contour at {distance}. Give the scan that it was drawn on, or set `snap: true` to take the "
            "nearest slice."
        )
    return k, f"{where}: the contour at {distance}, was taken to slice {k + 1}."


def _check_inside(indices: np.ndarray, scan: Scan, where: str) -> None:
    """Check that a contour lies in the image: half a pixel and a rounding beyond the outermost centres."""
    beyond = max(-indices.min() - 0.5, float((indices - scan.shape[1:]).max() + 0.5))
    if beyond > 1:
        size = scan.geometry.spacing[1:].max()
        raise UserError(
            f"{where} has a contour that reaches {beyond * size:.4g} mm beyond the image. Give the scan that it was "
            "drawn on."
        )


def _said(where: str, drawn: Drawn) -> list[str]:
    """Say what was decided about the contours of a slice."""
    said = {
        f"{drawn.united} contours overlap in part, and their union was taken": drawn.united,
        f"{drawn.repeated} contours repeat others, and count once": drawn.repeated,
        f"{drawn.lost} contours hold no pixel centre, and were left out": drawn.lost,
    }
    return [f"{where}: {text}." for text, count in said.items() if count]
