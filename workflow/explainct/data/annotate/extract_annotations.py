"""The stage `annotate`: from readers' contours or label maps to lesions with annotated slices."""

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pandas as pd


def extract_annotations(
    *,
    series_file: Path,
    archives: Mapping[str, str],
    extract: str,
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
        extract: the dataset's function, as `module:function` (`explainct.data.datasets.dataset.Dataset.extract`).
        lesions_file: becomes the table of lesions.
        slices_file: becomes the HDF5 file of masks.
        scans_file: becomes the table of all series, used or not, with the reason.
        settings: the settings of the section `annotate` that the dataset reads.
        on_problem: `stop`, or `skip` to log a warning and leave out a series that does not fit its annotations.

    Raises:
        UserError: an accepted series does not fit its annotations, or these cannot be read.
    """
    resolve_name(extract)(
        series=pd.read_parquet(series_file),
        folders={name: Path(folder) for name, folder in archives.items()},
        lesions_file=lesions_file,
        slices_file=slices_file,
        scans_file=scans_file,
        settings=settings,
        on_problem=on_problem,
    )
