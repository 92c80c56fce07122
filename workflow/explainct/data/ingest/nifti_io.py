"""CT volumes as NIfTI files: an index of a folder of them, and the voxels of a box in HU.

NIfTI does not fix the order and the directions of a file's axes; its affine says them, in RAS. Here every file is seen
as an array [D, H, W] whose indices k, i, j count up, to posterior and to the left, with positions in LPS, as DICOM has
them.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from explainct.data.ingest.affine import LPS_FROM_RAS, NO_GEOMETRY, Geometry
from explainct.data.ingest.dicom_index import EXCLUDED, REMEDY, UNREADABLE
from explainct.data.ingest.nifti_checks import find_problem
from explainct.data.ingest.walk import printable
from explainct.errors import UserError
from explainct.runtime.volume import Box

log = logging.getLogger(__name__)

IMAGES = "imagesTr"
"""Where the Medical Segmentation Decathlon keeps the images that have labels."""

SUFFIX = re.compile(r"\.nii(\.gz)?$")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Names of files that may become the id of a scan, which later names groups and folders."""

ARRAY_AXES = axcodes2ornt(("S", "P", "L"))
"""Directions of the indices k, i, j, as nibabel writes an orientation."""


class NiftiVolume:
    """A NIfTI file of 3 dimensions, seen as an array [D, H, W]; voxels are read when asked for.

    Attributes:
        geometry: shape and place of the array.
    """

    def __init__(self, path: Path, orientation: np.ndarray = ARRAY_AXES) -> None:
        # A compressed file can only be read on from where it is: it must not be opened anew for each plane.
        image = nib.load(path, keep_file_open=True)
        self._stored = image.dataobj
        self._to_array = ornt_transform(io_orientation(image.affine), orientation)
        self._to_file = ornt_transform(orientation, io_orientation(image.affine))
        order = np.argsort(self._to_array[:, 0])
        self.geometry = Geometry(
            shape=tuple(image.shape[axis] for axis in order),
            affine=LPS_FROM_RAS @ image.affine @ inv_ornt_aff(self._to_array, image.shape),
        )

    def read(self, box: Box, convert: Callable[[np.ndarray], np.ndarray], dtype: type) -> np.ndarray:
        """Read a box plane by plane in the order of the file, holding one plane beside the result.

        Args:
            box: what to read, in voxels of the array.
            convert: makes values of `dtype` of the scaled values of a plane.
            dtype: type of the result.

        Returns:
            Voxels [D, H, W], the shape of the box.
        """
        array = np.empty(box.shape, dtype)
        in_file_order = apply_orientation(array, self._to_file)  # a view
        rows, columns, planes = self._in_file(box)
        for place, plane in enumerate(range(planes.start, planes.stop)):
            in_file_order[:, :, place] = convert(self._stored[:, :, plane][rows, columns])
        return array

    def _in_file(self, box: Box) -> list[slice]:
        """Return the ranges of a box along the axes of the file."""
        ranges = []
        for size, (axis, sign) in zip(self._stored.shape, self._to_array.astype(int), strict=True):
            start, stop = box.start[axis], box.stop[axis]
            ranges.append(slice(start, stop) if sign > 0 else slice(size - stop, size - start))
        return ranges


def read_nifti_crop(path: Path, box: Box) -> np.ndarray:
    """Read the voxels of `box` from a CT in NIfTI, holding one plane of the file beside the result.

    Args:
        path: the file.
        box: what to read, in voxels (k, i, j) of the array.

    Returns:
        HU as int16 [D, H, W], the shape of the box.

    Raises:
        UserError: the file is missing or damaged, or smaller than the box.
    """
    try:
        volume = NiftiVolume(path)
        if box.inside(volume.geometry.shape):
            return volume.read(box, _hounsfield, np.int16)
    except FileNotFoundError:
        raise UserError(f"{printable(path)} is missing. Restore the file, or run the stage `ingest` again.") from None
    except Exception as error:  # nibabel lets errors of many kinds through: of gzip, zlib, its own, and of values
        raise UserError(
            f"The voxels of {printable(path)} cannot be read; a whole NIfTI file was expected. "
            "Download the file again, or list it under `ingest.exclude`."
        ) from error
    raise UserError(
        f"{printable(path)} does not hold the expected box from {box.start} to {box.stop} (slice, row, column). "
        "It has changed since it was indexed; run the stage `ingest` again."
    )


def _hounsfield(plane: np.ndarray) -> np.ndarray:
    """Round HU and clip them to what int16 holds."""
    limits = np.iinfo(np.int16)
    return np.clip(np.rint(plane), limits.min, limits.max)


def index_nifti(folder: Path, *, exclude: Sequence[str], on_problem: str) -> pd.DataFrame:
    """Find the images of a folder of the Medical Segmentation Decathlon and check that their voxels have a sure place.

    Images are the files `*.nii` and `*.nii.gz` in its subfolder `imagesTr`; those in `imagesTs` have no labels and are
    no part of the cohort. Hidden files are passed over. Every file is read to its end once.

    Args:
        folder: the folder that holds `imagesTr`.
        exclude: names of files, without suffix, to reject.
        on_problem: `stop` at the first image that cannot be used, or `skip` it: reject it with the reason.

    Returns:
        One row an image in order of `series_uid`, its file's name without suffix, with the columns of
        `ingest/series.parquet` but `archive`; `label_file` is empty. A rejected image has no geometry. A file whose
        name cannot be an id has the UID `unreadable:<file>`.

    Raises:
        UserError: the folder holds no images, or an image cannot be used and `on_problem` is `stop`.
    """
    folder = Path(folder)
    paths = _images(folder)
    times = Counter(_uid(path) for path in paths)
    rows = []
    for number, path in enumerate(paths, 1):
        uid = _uid(path)
        reason = EXCLUDED if uid in exclude else _reason(folder, path, times[uid])
        if reason and reason != EXCLUDED:
            if on_problem == "stop":
                raise UserError(f"{reason} {REMEDY}")
            log.warning("Image rejected. %s", reason)
        rows.append(_row(uid, path, reason))
        if number % 20 == 0 or number == len(paths):
            log.info("%d of %d images checked", number, len(paths))
    return pd.DataFrame(rows).sort_values("series_uid", kind="stable", ignore_index=True)


def _images(folder: Path) -> list[Path]:
    """List the image files of a folder, sorted."""
    if not (folder / IMAGES).is_dir():
        raise UserError(
            f"Folder {folder.absolute()} holds no folder `{IMAGES}`; the images of a task of the Medical Segmentation "
            "Decathlon were expected in it. Correct the setting `ingest.archives`."
        )
    visible = [path for path in sorted((folder / IMAGES).iterdir()) if not path.name.startswith(".")]
    images = [path for path in visible if SUFFIX.search(path.name)]
    if not images:
        raise UserError(
            f"Folder {(folder / IMAGES).absolute()} holds no NIfTI images; files `*.nii.gz` or `*.nii` were expected. "
            "Correct the setting `ingest.archives`."
        )
    log.info("%s: %d images, %d other files passed over", folder, len(images), len(visible) - len(images))
    return images


def _uid(path: Path) -> str:
    """Return the id of an image: its name without suffix, where that can be an id."""
    name = SUFFIX.sub("", path.name)
    return name if PLAIN_NAME.fullmatch(name) else f"{UNREADABLE}{printable(Path(IMAGES, path.name))}"


def _reason(folder: Path, path: Path, times: int) -> str:
    """Return in one sentence why an image cannot be used, or an empty string; `times` counts the images of its id."""
    uid, file = _uid(path), Path(IMAGES, path.name)
    if uid.startswith(UNREADABLE):
        return f"File {printable(file)} has a name that is no id: letters, digits, `_`, `-` and `.` were expected."
    if times > 1:
        return f"Files {IMAGES}/{uid}.nii and {IMAGES}/{uid}.nii.gz are two images of the same id {uid}."
    problem = find_problem(folder, file)
    return f"File {file.as_posix()} {problem}." if problem else ""


def _row(uid: str, path: Path, reason: str) -> Mapping[str, object]:
    """Return the row of an image; a rejected one has no geometry."""
    row = {
        "format": "nifti",
        "series_uid": uid,
        "patient_id": "" if uid.startswith(UNREADABLE) else uid,
        "files": [printable(Path(IMAGES, path.name))],
        "instance_uids": [],
        "label_file": "",
        **NO_GEOMETRY,
        "verdict": "rejected",
        "reason": reason,
    }
    return row if reason else row | NiftiVolume(path).geometry.columns() | {"verdict": "accepted"}
