"""Filled lesions as further rows of the table of points that was read."""

from pathlib import Path

import numpy as np
import pandas as pd
from nibabel.affines import apply_affine

from explainct.data.annotate.formats.points import IN_MM, IN_VOXELS
from explainct.data.annotate.formats.polygons import trace
from explainct.data.export.formats.filled import FilledMask, by_key, name_filled, on_scan_slices
from explainct.data.ingest.user_scan import Scan
from explainct.runtime.files import replacing


def write_points(source: Path, lesions: list[FilledMask], scan: Scan, path: Path) -> None:
    """Write the table with rows more for each lesion `<name> (filled)`: those that were read, and filled contours.

    Args:
        source: the file that was read.
        lesions: its lesions with their gaps filled; their keys are their names.
        scan: the scan.
        path: the file to write.
    """
    table = pd.read_csv(source, sep=None, engine="python", dtype=str, encoding="utf-8-sig")
    tables = [table]
    for key, parts in by_key(lesions).items():
        name = name_filled(str(key))
        tables.append(table[table["lesion"] == key].assign(lesion=name))
        for k, plane in sorted(on_scan_slices(parts, scan.shape[1:]).items()):
            loops = trace(plane)
            tables += [
                _rows(loop, k, scan, set(table)).assign(lesion=name, contour=f"filled {number}")
                for number, loop in enumerate(loops, start=1)
            ]
    with replacing(path) as temporary:
        pd.concat(tables)[_columns(table)].to_csv(temporary, index=False, lineterminator="\n")


def _columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of the output: those of the input, and one that tells the contours of a slice apart."""
    return [*table, *([] if "contour" in table else ["contour"])]


def _rows(loop: np.ndarray, k: int, scan: Scan, columns: set[str]) -> pd.DataFrame:
    """Return the corners of a contour (row, column) [N, 2] of a slice in the columns that the table has."""
    indices = np.column_stack([np.full(len(loop), k), loop])
    points = apply_affine(scan.geometry.affine, indices)
    points[:, 2] = scan.z_mm[k]
    known = [*zip(IN_MM, points.T, strict=True), *zip(IN_VOXELS, indices.T, strict=True)]
    return pd.DataFrame({name: [f"{value:.4f}" for value in values] for name, values in known if name in columns})
