"""The stage `ingest`: the table of all series of a dataset, accepted or rejected with the reason."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name

import pandas as pd

from explainct.runtime.files import write_csv, write_parquet


def index_series(
    *,
    archives: Mapping[str, str],
    index: Mapping[str, str],
    exclude: Sequence[str],
    on_problem: str,
    series_file: Path,
    left_out_file: Path,
) -> None:
    """Find and check the series of all archives of a dataset.

    Args:
        archives: the folder of each archive.
        index: the function of each archive, as `module:function` (`explainct.data.datasets.dataset.Archive.index`).
        exclude: Series Instance UIDs, or names of NIfTI files, to reject.
        on_problem: `stop` at the first series that cannot be used, or `skip` it: reject it with the reason.
        series_file: becomes the table of all series, in order of `archive` and `series_uid`.
        left_out_file: becomes the CSV file of the rejected ones: archive, series, files, reason.

    Raises:
        UserError: a folder is missing or empty, or a series cannot be used and `on_problem` is `stop`.
    """
    tables = []
    for archive in sorted(archives):
        table = resolve_name(index[archive])(Path(archives[archive]), exclude=exclude, on_problem=on_problem)
        table.insert(0, "archive", archive)
        tables.append(table)
    series = pd.concat(tables, ignore_index=True)
    write_parquet(series, series_file)
    write_csv(left_out(series), left_out_file)


def left_out(series: pd.DataFrame) -> pd.DataFrame:
    """Return the rejected rows of `series.parquet` with what a reader needs: archive, series, files, reason."""
    rejected = series[series["verdict"] == "rejected"]
    return rejected[["archive", "series_uid"]].assign(
        files=rejected["files"].map(len), first_file=rejected["files"].str[0], reason=rejected["reason"]
    )
