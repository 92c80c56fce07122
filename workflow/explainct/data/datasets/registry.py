"""The archives this project reads: how the series of each are found, and their labels where they come as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from explainct.data.ingest.dicom_index import index_series
from explainct.data.ingest.label_maps import match_msd_labels, match_nih_labels
from explainct.data.ingest.nifti_io import index_nifti

NIH_PATIENTS = r"PANCREAS_\d{4}"
"""Patient ids of NIH Pancreas-CT: public, and by them labels find their images."""


def index_archives(archives: Mapping[str, str], *, exclude: Sequence[str], on_problem: str) -> pd.DataFrame:
    """Find and check the series of all archives.

    Args:
        archives: the folder of each archive: `lidc`, `msd_pancreas` or `nih_pancreas`.
        exclude: Series Instance UIDs, or names of NIfTI files, to reject.
        on_problem: `stop` at the first series that cannot be used, or `skip` it: reject it with the reason.

    Returns:
        The table `ingest/series.parquet`, in order of `archive` and `series_uid`.

    Raises:
        UserError: a folder is missing or empty, or a series cannot be used and `on_problem` is `stop`.
    """
    tables = []
    for archive in sorted(archives):
        table = _index(archive, Path(archives[archive]), exclude, on_problem)
        table.insert(0, "archive", archive)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _index(archive: str, folder: Path, exclude: Sequence[str], on_problem: str) -> pd.DataFrame:
    how = {"exclude": exclude, "on_problem": on_problem}
    if archive == "msd_pancreas":
        return match_msd_labels(folder, index_nifti(folder, **how), on_problem=on_problem)
    if archive == "nih_pancreas":
        table = index_series(folder, patient_pattern=NIH_PATIENTS, **how)
        return match_nih_labels(folder, table, on_problem=on_problem)
    return index_series(folder, **how)


def left_out(series: pd.DataFrame) -> pd.DataFrame:
    """Return the rejected rows of `series.parquet` with what a reader needs: archive, series, files, reason."""
    rejected = series[series["verdict"] == "rejected"]
    return rejected[["archive", "series_uid"]].assign(
        files=rejected["files"].map(len), first_file=rejected["files"].str[0], reason=rejected["reason"]
    )
