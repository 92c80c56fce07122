"""Where the voxels of a scan lie in the patient: between slices by the measured z of these, in-plane by the affine."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from explainct.runtime.volume import Box, Volume


def mean_step(z_mm: Sequence[float]) -> float:
    """Return the mean distance between neighbouring slices in mm.

    Args:
        z_mm: positions of the slices in mm [K], ascending, at least 2.

    >>> mean_step([0.0, 2.4, 5.0])
    2.5
    """
    return float((z_mm[-1] - z_mm[0]) / (len(z_mm) - 1))


def plane_z(z_mm: np.ndarray, depth: int) -> np.ndarray:
    """Return the z in mm of `depth` planes [D], laid with corners aligned on slices and interpolated in their z.

    Plane g lies at slice g (K - 1) / (D - 1); one that falls on a slice has exactly the z of that slice.

    Args:
        z_mm: positions of the slices in mm [K], ascending.
        depth: number of planes D.

    >>> plane_z(np.array([0.0, 2.4, 5.0]), 5).tolist()
    [0.0, 1.2, 2.4, 3.7, 5.0]
    """
    # Multiplied before it is divided, so that whole numbers come out whole.
    index = np.arange(depth) * (len(z_mm) - 1) / max(depth - 1, 1)
    return np.interp(index, np.arange(len(z_mm)), z_mm)


def place_in_scan(array: np.ndarray, scan: pd.Series, box: Box) -> Volume:
    """Return an array at its place in the patient: its corner voxels lie on those of a box of the scan.

    First and last plane have the measured z of the first and last slice of the box. A volume has even planes, so
    where the steps of the scan vary, planes between these lie off their slices by as much as the slices lie off even
    ones.

    Args:
        array: voxels [D, H, W]; along an axis on which the box has one voxel, one voxel too.
        scan: the row of its series in `series.parquet`.
        box: which voxels of the scan the array covers, in indices (k, i, j).
    """
    # Distance from the first slice along the axis of the slices, which in NIfTI files may lean by rounding.
    along = (np.asarray(scan.z_mm) - scan.z_mm[0]) / scan.direction[8]
    bounds = along[[box.start[0], box.stop[0] - 1]]
    lengths = np.array([bounds[1] - bounds[0], *(np.subtract(box.shape, 1) * _spacing(scan))[1:]])
    counts = np.subtract(array.shape, 1)
    sizes = np.where(counts > 0, lengths / np.maximum(counts, 1), _spacing(scan))
    whole = Volume(array, tuple(_spacing(scan)), tuple(scan.origin), tuple(scan.direction))
    origin = whole.position((bounds[0] / scan.spacing_z, *box.start[1:]))
    return Volume(array, tuple(sizes.tolist()), origin, whole.direction)


def _spacing(scan: pd.Series) -> np.ndarray:
    """Return the voxel size (z, y, x) of a scan in mm, its slices' by their mean step."""
    return np.array([scan.spacing_z, scan.spacing_y, scan.spacing_x], dtype=np.float64)
