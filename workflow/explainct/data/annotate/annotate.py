"""The stage `annotate`: contours for LIDC-IDRI, label maps for the pancreas archives."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from explainct.data.annotate.label_map_lesions import extract_labels
from explainct.data.annotate.lidc_lesions import extract_contours
from explainct.runtime.files import write_parquet

log = logging.getLogger(__name__)


def annotate_archives(
    *,
    series_file: Path,
    archives: Mapping[str, str],
    lesions_file: Path,
    slices_file: Path,
    scans_file: Path,
    settings: Mapping[str, Any],
    on_problem: str,
) -> None:
    """Write the lesions of a dataset, the slices on which each is annotated, and which series are used.

    Args:
        series_file: the table `ingest/series.parquet`.
        archives: the folder of each archive of the dataset.
        lesions_file: becomes the table of lesions.
        slices_file: becomes the HDF5 file of masks.
        scans_file: becomes the table of all series, used or not, with the reason.
        settings: the settings `annotate`.
        on_problem: `stop`, or `skip` to log a warning and leave out a series that does not fit its annotations.

    Raises:
        UserError: an accepted series does not fit the LIDC database, or a label cannot be read.
    """
    series = pd.read_parquet(series_file)
    files = {"lesions_file": lesions_file, "slices_file": slices_file}
    if "lidc" in archives:
        extract_contours(series=series, scans_file=scans_file, settings=settings, on_problem=on_problem, **files)
        return
    folders = {name: Path(folder) for name, folder in archives.items()}
    extract_labels(series=series, folders=folders, keep_every=settings["keep_every"], **files)
    scans = series[["series_uid", "patient_id", "reason"]].assign(used=series["verdict"] == "accepted")
    write_parquet(scans, scans_file)
