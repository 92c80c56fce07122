"""Outlines as a table of points: patient positions in mm (LPS), or slice, row and column of the scan."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from nibabel.affines import apply_affine

from explainct.data.annotate.formats.contours import Contour, outline_lesion
from explainct.data.annotate.formats.outlines import Annotation
from explainct.data.ingest.user_scan import Scan
from explainct.data.ingest.walk import printable
from explainct.errors import UserError

IN_MM = ("x_mm", "y_mm", "z_mm")
IN_VOXELS = ("slice", "row", "column")


def read_points(path: Path, scan: Scan, *, roi: str, snap: bool) -> Annotation:
    """Read closed contours from a CSV file, a row for each corner in the order of the outline.

    Columns are `lesion` and either `x_mm, y_mm, z_mm` or `slice, row, column`, counted from 0 at the first voxel of the
    scan with z ascending; `contour` tells the contours of a slice apart, and without it each slice has one. Further
    columns are not read.

    Args:
        path: the file.
        scan: the scan.
        roi: regular expression of the names of the lesions to read.
        snap: take the nearest slice for a contour that lies off the slices.

    Raises:
        UserError: a column is missing, a value is no number, or a contour lies off the slices.
    """
    table = pd.read_csv(path, sep=None, engine="python", dtype=str, encoding="utf-8-sig")
    columns = next((names for names in (IN_MM, IN_VOXELS) if set(names) <= set(table)), None)
    if columns is None or "lesion" not in table:
        raise UserError(
            f"{printable(path)} has the columns {', '.join(table)}; `lesion` and either `x_mm, y_mm, z_mm` or "
            "`slice, row, column` were expected."
        )
    points = _numbers(table, columns, path)
    if columns == IN_VOXELS:
        points = apply_affine(scan.geometry.affine, points)
    outlines, notes = [], []
    # A contour number may come again on the next slice.
    plane = table["z_mm" if columns == IN_MM else "slice"]
    contour = plane + " " + table["contour"].fillna("") if "contour" in table else plane
    for name, rows in table.groupby("lesion", sort=False):
        if not re.search(roi, str(name)):
            continue
        where = f"Lesion {str(name)!r} of {printable(path)}"
        drawn = [Contour(points[rows.index[index]]) for index in _by(contour[rows.index])]
        found, said = outline_lesion(str(name), drawn, scan, snap=snap, where=where, key=str(name))
        notes += said
        if found is None:
            notes.append(f"{where} holds no pixel, and was left out.")
        else:
            outlines.append(found)
    return Annotation(path, "csv", outlines, notes)


def _by(keys: pd.Series) -> list[np.ndarray]:
    """Return the places of the rows of each key, in the order of the keys."""
    return list(keys.groupby(keys, sort=False).indices.values())


def _numbers(table: pd.DataFrame, columns: tuple[str, ...], path: Path) -> np.ndarray:
    """Return columns as numbers [N, 3]."""
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    wrong = ~np.isfinite(numbers.to_numpy(np.float64))
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        raise UserError(
            f"{printable(path)}, row {row + 2}, column {columns[column]}: {table[columns[column]].iloc[row]!r} is no "
            "number."
        )
    return numbers.to_numpy(np.float64)
