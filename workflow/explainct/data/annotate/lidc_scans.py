"""Which series are scans of LIDC-IDRI that can be used, and the slices that each holds."""

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from explainct.data.annotate.clustering import cluster_annotations
from explainct.data.annotate.lidc_database import Annotation, Database, Scan, nearest_slices
from explainct.errors import UserError

Lesion = tuple[Annotation, ...]

SAME_Z_MM = 0.01
SAME_PIXEL_MM = 0.001
"""Largest difference in mm between the pixel spacings of the database and of a series; over the 512 pixels of a slice
it moves an outline by half a millimetre."""
EDGE = 512
"""Rows and columns of every scan in LIDC-IDRI, in voxels."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class HeldScan:
    """A scan as a series of files holds it.

    Attributes:
        scan: the scan, with the positions of the slices that are there.
        rows: height of its slices in voxels.
        columns: width of its slices in voxels.
        instance_uids: SOP Instance UID of each slice; empty for a scan without files.
    """

    scan: Scan
    rows: int = EDGE
    columns: int = EDGE
    instance_uids: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, row: Any, scan: Scan) -> "HeldScan":
        """Return the scan that a row of `series.parquet` holds."""
        held = replace(scan, z_mm=np.asarray(row.z_mm, dtype=np.float64))
        return cls(held, int(row.rows), int(row.columns), list(row.instance_uids))


def cluster_scans(database: Database) -> dict[int, list[Lesion]]:
    """Return the lesions of every scan of the database by its number."""
    return {
        scan.scan_id: cluster_annotations(database.annotations.get(scan.scan_id, ()), scan.slice_thickness)
        for scan in database.scans
    }


def first_scans(database: Database) -> set[int]:
    """Return the number of each patient's first scan: the paper's cohort has no others."""
    first: dict[str, int] = {}
    for scan in database.scans:
        first.setdefault(scan.patient_id, scan.scan_id)
    return set(first.values())


def use_scans(
    series: pd.DataFrame, database: Database, lesions: dict[int, list[Lesion]], *, scans: str, stop: bool
) -> pd.DataFrame:
    """Decide on each series of `series.parquet` whether it is used.

    Args:
        series: the table.
        database: all scans that have contours.
        lesions: lesions by the number of their scan.
        scans: `first` to leave out all but a patient's first scan, or `all`.
        stop: whether a series that does not fit the database is an error; else it is left out with a warning.

    Returns:
        A row a series: `series_uid`, `patient_id` (empty where unknown), `used`, `reason` (empty where used).

    Raises:
        UserError: a series does not fit the database and `stop` is set.
    """
    known = {scan.series_uid: scan for scan in database.scans}
    first = first_scans(database)
    rows = []
    for row in series.itertuples():
        scan = known.get(row.series_uid)
        reason = row.reason
        if row.verdict == "accepted" and (reason := _misfit(row, scan, lesions)):
            if stop:
                raise UserError(f"{reason} List it under `ingest.exclude` or set `on_problem: skip`.")
            log.warning("Series left out. %s", reason)
        if not reason and scans == "first" and scan.scan_id not in first:
            reason = f"It is not the first scan of patient {scan.patient_id} (`annotate.scans: first`)."
        patient = scan.patient_id if scan else ""
        rows.append({"series_uid": row.series_uid, "patient_id": patient, "used": not reason, "reason": reason})
    return pd.DataFrame(rows, columns=["series_uid", "patient_id", "used", "reason"])


def holds(scan: Scan, lesion: Lesion) -> bool:
    """Tell whether a lesion lies between the first and the last slice of a scan."""
    z_mm = _positions(lesion)
    return bool(scan.z_mm[0] - SAME_Z_MM <= z_mm.min() and z_mm.max() <= scan.z_mm[-1] + SAME_Z_MM)


def _misfit(row: Any, scan: Scan | None, lesions: dict[int, list[Lesion]]) -> str:
    """Say in a sentence what keeps an accepted series from being used; empty if nothing does."""
    if scan is None:
        return f"Series {row.series_uid} is not in the LIDC database, and only its series have annotations."
    name = f"Series {row.series_uid} of patient {scan.patient_id}"
    if not lesions[scan.scan_id]:
        return f"{name} has no lesion in the LIDC database, and at least one is needed."
    pixel_mm = (row.spacing_y, row.spacing_x)
    if np.abs(np.subtract(pixel_mm, scan.pixel_spacing)).max() > SAME_PIXEL_MM:
        return (
            f"{name} has pixels of {pixel_mm[0]:g} x {pixel_mm[1]:g} mm by its DICOM headers, but of "
            f"{scan.pixel_spacing:g} x {scan.pixel_spacing:g} mm by the LIDC database, where a difference of at most "
            f"{SAME_PIXEL_MM:g} mm was expected."
        )
    held = HeldScan.of(row, scan).scan
    whole = [lesion for lesion in lesions[scan.scan_id] if holds(held, lesion)]
    if not whole:
        return f"{name} holds no whole lesion of the LIDC database, and at least one is needed."
    wanted = np.unique(np.concatenate([_positions(lesion) for lesion in whole]))
    away = np.abs(held.z_mm[nearest_slices(held.z_mm, wanted)] - wanted) > SAME_Z_MM
    if away.any():
        return f"{name} has no slice at z = {wanted[away][0]:g} mm, where the LIDC database has contours."
    return ""


def _positions(lesion: Lesion) -> np.ndarray:
    """Return the z of all contours of a lesion in mm [C]."""
    return np.array([contour.z_mm for annotation in lesion for contour in annotation.contours])
