"""One table of all filled lesions of a cohort, with the columns of the sample sheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from explainct.runtime.files import write_csv

PATHS = ("image", "annotation")
"""Columns of the sheet that are left out: paths often hold names of patients."""


def collect_filled(*, lesions_files: Sequence[Path], cells: Sequence[Mapping[str, str]], table_file: Path) -> None:
    """Write the lesions of all rows of a sheet as one table, each with the cells of its row, paths left out.

    Args:
        lesions_files: the table `lesions.csv` of each row.
        cells: the cells of each row, by column.
        table_file: the CSV file to write.
    """
    tables = []
    for path, row in zip(lesions_files, cells, strict=True):
        lesions = pd.read_csv(path)
        kept = {name: value for name, value in row.items() if name not in PATHS}
        kept = {(f"sheet_{name}" if name in lesions else name): value for name, value in kept.items()}
        tables.append(pd.concat([pd.DataFrame([kept] * len(lesions)), lesions], axis=1))
    write_csv(pd.concat(tables, ignore_index=True), table_file)
