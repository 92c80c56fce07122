"""A user's own scan: a folder with a CT series, or a NIfTI file; it is checked as the archives' scans are."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from nibabel.orientations import apply_orientation, inv_ornt_aff, ornt_transform

from explainct.data.ingest.affine import Geometry
from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import read_crop
from explainct.data.ingest.nifti_checks import find_problem
from explainct.data.ingest.nifti_io import SUFFIX, NiftiVolume, read_nifti_crop
from explainct.data.ingest.walk import printable
from explainct.errors import UserError
from explainct.runtime.volume import Box

log = logging.getLogger(__name__)

UNSURE_VOXELS, LARGEST_VOXELS = 0.05, 0.25
"""How far, in voxels, a grid may lie off that of the scan without a word, and how far with a note. At half a voxel
nobody knows which voxel is meant."""


class MisplacedError(Exception):
    """A grid is not that of the scan; the text is the end of a sentence that begins with its name."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan whose voxels have a sure place.

    Attributes:
        path: the folder or file.
        row: its row as in `ingest/series.parquet`, named by its series UID or, for NIfTI, by its file's name.
        frame_uid: Frame of Reference UID; empty for NIfTI.
    """

    path: Path
    row: pd.Series
    frame_uid: str = ""

    @cached_property
    def geometry(self) -> Geometry:
        """Where the voxels [D, H, W] lie, with even steps between slices."""
        return Geometry.of_series(self.row)

    @property
    def is_dicom(self) -> bool:
        """Whether it is a DICOM series."""
        return self.row["format"] == "dicom"

    @property
    def series_uid(self) -> str:
        """Series Instance UID, or the file's name."""
        return str(self.row.name)

    @cached_property
    def z_mm(self) -> np.ndarray:
        """Measured positions of the slices in mm [D], ascending."""
        return np.asarray(self.row["z_mm"], np.float64)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        return self.geometry.shape

    def slice_at(self, z_mm: float) -> tuple[int, float]:
        """Return the slice nearest to a position, and how far off it lies in shares of the step between slices."""
        k = int(np.abs(self.z_mm - z_mm).argmin())
        return k, float(abs(self.z_mm[k] - z_mm) / self.row["spacing_z"])

    def read(self, box: Box) -> np.ndarray:
        """Return the HU of a box, int16 [D, H, W]."""
        files = [self.path / name for name in self.row["files"]]
        if not self.is_dicom:
            return read_nifti_crop(self.path, box)
        return read_crop(files, box, size=self.shape[1:], instance_uids=self.row["instance_uids"])


def read_scan(path: Path, series_uids: Collection[str] = ()) -> Scan:
    """Read the headers of a scan and check them.

    Args:
        path: a folder, searched with its subfolders for one CT series, or a NIfTI file.
        series_uids: the series that the annotation names; of several in the folder, the one among these is taken.

    Raises:
        UserError: there is no such scan, no single one, or it cannot be used.
    """
    if not path.exists():
        raise UserError(
            f"Scan {printable(path)} does not exist; a folder with a CT series or a NIfTI file was expected."
        )
    if path.is_dir():
        return _series(path, series_uids)
    if not SUFFIX.search(path.name):
        raise UserError(
            f"Scan {printable(path)} is neither a folder nor a NIfTI file. Give the folder of its DICOM files, or "
            "convert it to `.nii.gz`."
        )
    if problem := find_problem(path.parent, Path(path.name)):
        raise UserError(f"Scan {printable(path)} {problem}.")
    content = {"format": "nifti", "files": [path.name], "instance_uids": [], **NiftiVolume(path).geometry.columns()}
    return Scan(path, pd.Series(content, name=SUFFIX.sub("", path.name)))


def _series(folder: Path, series_uids: Collection[str]) -> Scan:
    """Return the one CT series of a folder that can be used."""
    try:
        table = index_dicom(folder, exclude=(), on_problem="skip")
    except UserError:
        raise UserError(
            f"Folder {printable(folder)} holds no CT series; DICOM files of the modality CT were expected in it or "
            "its subfolders."
        ) from None
    named = table[table["series_uid"].isin(list(series_uids))]
    chosen = named if len(named) else table
    accepted = chosen[chosen["verdict"] == "accepted"]
    if accepted.empty:
        raise UserError(f"The scan in {printable(folder)} cannot be used. {chosen['reason'].iloc[0]}")
    if len(accepted) > 1:
        raise UserError(
            f"Folder {printable(folder)} holds {len(accepted)} CT series, {' and '.join(accepted['series_uid'][:2])} "
            "among them, and the annotation names none or several of them. Give the folder of one series."
        )
    row = accepted.set_index("series_uid").iloc[0]
    header = pydicom.dcmread(folder / row["files"][0], stop_before_pixels=True, specific_tags=["FrameOfReferenceUID"])
    return Scan(folder, row, str(header.get("FrameOfReferenceUID", "")))


def lay_on(array: np.ndarray, affine: np.ndarray, scan: Scan) -> tuple[np.ndarray, tuple[int, int, int], float]:
    """Turn an array to the axes of a scan and say where it begins, from the two affines alone.

    Nothing is resampled, and shapes are not compared: a label that was cropped lies where its origin says.

    Args:
        array: voxels along three axes of any order and direction.
        affine: 4 x 4, takes an index of `array` to the patient position in mm, LPS.
        scan: the scan.

    Returns:
        The array [d, h, w] along the axes of the scan, the index (k, i, j) of its first voxel in the scan, which may
        be negative, and how far in voxels it lies off the scan's grid at most.

    Raises:
        MisplacedError: voxels have another size or direction than the scan's, or lie between its voxels.
    """
    geometry, image = Geometry(array.shape, affine), scan.geometry
    turn = ornt_transform(geometry.orientation, image.orientation)
    turned = apply_orientation(array, turn)
    laid = Geometry(turned.shape, affine @ inv_ornt_aff(turn, array.shape))
    if not np.allclose(laid.spacing, image.spacing, rtol=0.01):
        sizes = (" x ".join(f"{size:.4g}" for size in spacing) for spacing in (laid.spacing, image.spacing))
        raise MisplacedError("has voxels of {} mm, the scan {} mm (slice, row, column)".format(*sizes))
    start = np.rint((np.linalg.inv(image.affine) @ laid.affine)[:3, 3]).astype(int)
    moved = np.eye(4)
    moved[:3, 3] = start
    expected = Geometry(turned.shape, image.affine @ moved)
    off = float(expected.distance(laid) / image.spacing.min())
    if off > LARGEST_VOXELS:
        raise MisplacedError(f"lies {expected.distance(laid):.3g} mm off the voxels of the scan")
    k, i, j = start.tolist()
    return turned, (k, i, j), off
