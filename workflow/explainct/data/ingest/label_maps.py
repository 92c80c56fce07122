"""Label maps of the pancreas archives: which file labels which image, and its voxels on the grid of the image."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pandas as pd
import pydicom
from nibabel.orientations import apply_orientation, inv_ornt_aff, ornt_transform
from pydicom.misc import is_dicom

from explainct.data.ingest.affine import NO_GEOMETRY, Geometry
from explainct.data.ingest.dicom_geometry_checks import STEP_TOLERANCE
from explainct.data.ingest.dicom_index import REMEDY
from explainct.data.ingest.nifti_checks import find_problem
from explainct.data.ingest.nifti_io import SUFFIX, NiftiVolume
from explainct.data.ingest.walk import find_files, printable
from explainct.errors import UserError
from explainct.runtime.volume import Box

log = logging.getLogger(__name__)

ORGAN, TUMOUR = 1, 2
"""Values of a label map; 0 is everything else."""

MSD_LABELS = "labelsTr"
NIH_LABEL = re.compile(r"label(\d{4})\.nii\.gz")
NIH_PATIENT = "PANCREAS_"
"""What stands before the 4 digits of a patient of NIH Pancreas-CT."""

NO_GUESS = "A NIfTI label that needs a flip is not flipped by guess; use the DICOM SEG labels of IDC instead."
"""What is said when a NIfTI label does not lie on its DICOM image."""

Row = Mapping[str, Any]


class UnfitLabelError(Exception):
    """An image has no label, or one that does not fit; the text is a sentence for the column `reason`."""


def match_msd_labels(folder: Path, series: pd.DataFrame, *, on_problem: str) -> pd.DataFrame:
    """Find and check the labels of a task of the Medical Segmentation Decathlon: `labelsTr/<name of the image>`.

    A label holds 0, 1 (pancreas) and 2 (tumour); it must lie where its image lies, and hold a tumour.

    Args:
        folder: the archive's folder.
        series: the table of `explainct.data.ingest.nifti_io.index_nifti` of the folder.
        on_problem: `stop` at the first accepted image without a fit label, or `skip` it: reject it with the reason.

    Returns:
        The table with `label_file`, relative to the folder; images without a fit label are rejected.

    Raises:
        UserError: an image has no fit label and `on_problem` is `stop`.
    """

    def choose(row: Row) -> Path:
        """Return the label of an image, relative to the folder; an image without one raises `UnfitLabelError`."""
        label = Path(MSD_LABELS, Path(row["files"][0]).name)
        if not (folder / label).exists():
            raise UnfitLabelError(f"Image {row['files'][0]} has no label; {label.as_posix()} was expected.")
        return label

    return _match(folder, series, choose, highest=TUMOUR, on_problem=on_problem)


def match_nih_labels(folder: Path, series: pd.DataFrame, *, on_problem: str) -> pd.DataFrame:
    """Find and check the labels of NIH Pancreas-CT, in any layout of the folder.

    The label of a series is the DICOM SEG that references it, or else the file `label0001.nii.gz` of the patient
    `PANCREAS_0001`. Both are there after a download from both archives; the SEG, which names its image, goes first.
    A label holds 0 and 1 (pancreas), and must lie where its image lies.

    Args:
        folder: the archive's folder.
        series: the table of `explainct.data.ingest.dicom_index.index_dicom` of the folder.
        on_problem: `stop` at the first accepted series without a fit label, or `skip` it: reject it with the reason.

    Returns:
        The table with `label_file`, relative to the folder; series without a fit label are rejected.

    Raises:
        UserError: a series has no fit label and `on_problem` is `stop`.
    """
    of_series, of_patient = _find_nih_labels(folder, images={file for files in series["files"] for file in files})
    accepted = series[series["verdict"] == "accepted"].groupby("patient_id")["series_uid"].apply(list)

    def choose(row: Row) -> Path:
        """Return the label of a series, relative to the folder; one without a single label raises `UnfitLabelError`."""
        uid, patient = row["series_uid"], row["patient_id"]
        if not patient:
            raise UnfitLabelError(f"Series {uid} is of no patient of NIH Pancreas-CT; {NIH_PATIENT}0001 was expected.")
        if uid in of_series:
            return _only_label(of_series[uid], uid)
        expected = f"label{patient.removeprefix(NIH_PATIENT)}.nii.gz"
        if patient not in of_patient:
            raise UnfitLabelError(
                f"Series {uid} has no label; a DICOM SEG that references it, or {expected}, was expected."
            )
        if len(accepted[patient]) > 1:
            raise UnfitLabelError(f"Label {expected} may be of any of the series {' and '.join(accepted[patient])}.")
        return _only_label(of_patient[patient], uid)

    return _match(folder, series, choose, highest=ORGAN, on_problem=on_problem)


def read_label(folder: Path, series: Row) -> np.ndarray:
    """Read the label map of an accepted series on the grid of its image.

    Args:
        folder: the archive's folder.
        series: the row of `ingest/series.parquet`.

    Returns:
        0, 1 (organ) and 2 (tumour) as uint8 [D, H, W], the shape of the series.

    Raises:
        UserError: the label is missing, or no longer fits the image.
    """
    try:
        return _load(folder, series, highest=TUMOUR)
    except UnfitLabelError as error:
        raise UserError(f"{error} It has changed since it was indexed; run the stage `ingest` again.") from None


def _match(
    folder: Path, series: pd.DataFrame, choose: Callable[[Row], Path], *, highest: int, on_problem: str
) -> pd.DataFrame:
    """Fill in `label_file` and reject the series without a fit label, which must hold the value `highest`."""
    rows = []
    for row in series.to_dict("records"):
        try:
            rows.append(_labelled(folder, row, choose, highest) if row["verdict"] == "accepted" else row)
        except UnfitLabelError as error:
            if on_problem == "stop":
                raise UserError(f"{error} {REMEDY}") from None
            log.warning("Series rejected. %s", error)
            rejected = {"instance_uids": [], "slices": row["slices"], "verdict": "rejected", "reason": str(error)}
            rows.append(row | NO_GEOMETRY | rejected)
    return pd.DataFrame(rows, columns=series.columns)


def _labelled(folder: Path, row: Row, choose: Callable[[Row], Path], highest: int) -> Row:
    labelled = {**row, "label_file": choose(row).as_posix()}
    label = _load(folder, labelled, highest=highest)
    name = f"Label {labelled['label_file']}"
    if not label.any():
        raise UnfitLabelError(f"{name} is empty.")
    if not (label == highest).any():
        raise UnfitLabelError(f"{name} holds no voxel of the value {highest}, which was expected.")
    return labelled


def _only_label(labels: Sequence[Path], uid: str) -> Path:
    if len(labels) > 1:
        raise UnfitLabelError(f"Series {uid} has two labels: {labels[0].as_posix()} and {labels[1].as_posix()}.")
    return labels[0]


def _find_nih_labels(folder: Path, images: set[str]) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """List the SEG files that reference each series, and the NIfTI labels of each patient, relative to the folder."""
    of_series, of_patient = defaultdict(list), defaultdict(list)
    files, _ = find_files(folder)
    for file in files:
        path = file.relative_to(folder)
        if path.as_posix() in images:
            continue
        if not path.as_posix().isprintable():
            log.warning("%s is passed over: rename it if it is a label.", printable(path))
            continue
        if name := NIH_LABEL.fullmatch(path.name):
            of_patient[f"{NIH_PATIENT}{name[1]}"].append(path)
        for uid in _segmented_series(file):
            of_series[uid].append(path)
    return dict(of_series), dict(of_patient)


def _segmented_series(file: Path) -> list[str]:
    """Return the UIDs of the series that a DICOM SEG references; none for any other file."""
    try:
        if not is_dicom(file):
            return []
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["Modality", "ReferencedSeriesSequence"])
        if header.get("Modality") != "SEG":
            return []
        return [str(item.SeriesInstanceUID) for item in header.ReferencedSeriesSequence]
    except Exception:  # pydicom lets errors of many kinds through; a label that is needed is then found missing
        log.warning("%s cannot be read as a label and is passed over.", printable(file))
        return []


def _load(folder: Path, row: Row, *, highest: int) -> np.ndarray:
    """Read a label that must lie on the grid of its image and hold whole numbers up to `highest`."""
    load = _load_nifti if SUFFIX.search(row["label_file"]) else _load_seg
    return load(folder, row, partial(_as_label, row["label_file"], highest))


def _load_nifti(folder: Path, row: Row, as_label: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    path, image = Path(row["label_file"]), Geometry.of_series(row)
    if problem := find_problem(folder, path):
        raise UnfitLabelError(f"Label {path.as_posix()} {problem}.")
    label = NiftiVolume(folder / path, image.orientation)
    if problem := _misplaced(label.geometry, image):
        hint = f" {NO_GUESS}" if row["format"] == "dicom" else ""
        raise UnfitLabelError(f"Label {path.as_posix()} {problem}.{hint}")
    return label.read(Box((0, 0, 0), image.shape), as_label, np.uint8)


def _load_seg(folder: Path, row: Row, as_label: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Read a segmentation, whose frames may leave out slices; they are placed by their positions."""
    name, image = f"Label {row['label_file']}", Geometry.of_series(row)
    try:
        segmentation = hd.seg.segread(folder / row["label_file"])
        volume = segmentation.get_volume(combine_segments=True, dtype=np.uint8, rtol=STEP_TOLERANCE)
        sources = {str(uid) for _, series, uid in segmentation.get_source_image_uids() if series == row["series_uid"]}
    except Exception:  # highdicom and pydicom let errors of many kinds through
        raise UnfitLabelError(f"{name} cannot be read as a segmentation on evenly spaced slices.") from None
    if unknown := sorted(sources - set(row["instance_uids"])):
        raise UnfitLabelError(f"{name} references the instance {unknown[0]}, which its image does not hold.")
    frames = Geometry(volume.array.shape, volume.affine)
    turn = ornt_transform(frames.orientation, image.orientation)
    array = apply_orientation(volume.array, turn)
    slab = Geometry(array.shape, frames.affine @ inv_ornt_aff(turn, frames.shape))
    first = round((np.linalg.inv(image.affine) @ slab.affine)[0, 3])
    if problem := _misplaced(slab, image.slab(first, len(array))):
        raise UnfitLabelError(f"{name} {problem}.")
    if first < 0 or first + len(array) > image.shape[0]:
        raise UnfitLabelError(f"{name} reaches beyond the {image.shape[0]} slices of its image.")
    label = np.zeros(image.shape, dtype=np.uint8)
    label[first : first + len(array)] = as_label(array)
    return label


def _misplaced(label: Geometry, image: Geometry) -> str:
    """Compare the grids of a label and its image; return the difference as the end of a sentence."""
    if label.shape != image.shape:
        sizes = (" x ".join(map(str, reversed(shape))) for shape in (label.shape, image.shape))
        return "is {} voxels, its image {}".format(*sizes)
    return "" if image.same_place(label) else f"lies {image.distance(label):.3g} mm away from its image"


def _as_label(file: str, highest: int, values: np.ndarray) -> np.ndarray:
    """Return values as uint8 that must be whole numbers from 0 to `highest`."""
    strange = values[~np.isin(values, range(highest + 1))]
    if strange.size:
        raise UnfitLabelError(f"Label {file} holds the value {strange[0]:g}, where 0 to {highest} was expected.")
    return values.astype(np.uint8)
