"""Read a user's annotation of a scan, whatever its format: one file, or a folder of files."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.misc import is_dicom

from explainct.data.annotate.formats.label_map import read_nifti_labels
from explainct.data.annotate.formats.nrrd import read_nrrd
from explainct.data.annotate.formats.outlines import Annotation, only_slices, split_lesions
from explainct.data.annotate.formats.points import read_points
from explainct.data.annotate.formats.rtstruct import read_rtstruct, referenced_series
from explainct.data.annotate.formats.seg import read_seg
from explainct.data.ingest.nifti_io import SUFFIX
from explainct.data.ingest.user_scan import Scan
from explainct.data.ingest.walk import find_files, printable
from explainct.errors import UserError

log = logging.getLogger(__name__)

KNOWN = "RTSTRUCT, DICOM SEG, NIfTI, NRRD and CSV files are read"
ELSEWHERE = {
    ".xml": "AIM and LIDC XML are not read: export DICOM SEG from ePAD, or convert with dcmqi",
    ".json": "annotations of viewers in JSON are not read: export DICOM SEG or RTSTRUCT",
}


@dataclass(frozen=True)
class Reading:
    """How annotations are read.

    Attributes:
        roi: regular expression of the names to read; empty for all.
        ignore_label: value of a label map that marks slices without annotation.
        slices: the annotated slices, in indices of the scan; empty: those that the format implies.
        snap: take the nearest slice for a contour that lies off the slices.
    """

    roi: str = ""
    ignore_label: int | None = None
    slices: tuple[int, ...] = ()
    snap: bool = False


def annotation_files(path: Path) -> list[Path]:
    """Return the files of an annotation: the path itself, or all files of the folder, sorted.

    Raises:
        UserError: there is none.
    """
    if path.is_dir():
        files, _ = find_files(path)
        if files:
            return files
    if not path.is_file():
        what = "holds no file" if path.is_dir() else "does not exist"
        raise UserError(f"Annotation {printable(path)} {what}; {KNOWN}.")
    return [path]


def named_series(files: list[Path]) -> set[str]:
    """Return the UIDs of the series that DICOM annotations name."""
    found = set()
    for path in files:
        if format_of(path) in ("rtstruct", "seg"):
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            found |= referenced_series(dataset)
            found |= {str(item.SeriesInstanceUID) for item in dataset.get("ReferencedSeriesSequence", [])}
    return found


def format_of(path: Path) -> str:
    """Return the format of an annotation's file: `rtstruct`, `seg`, `nifti`, `nrrd` or `csv`.

    Raises:
        UserError: it is none of these.
    """
    name = path.name.lower()
    if SUFFIX.search(name):
        return "nifti"
    if name.endswith((".nrrd", ".nhdr")):
        return "nrrd"
    if name.endswith((".csv", ".tsv")):
        return "csv"
    if hint := ELSEWHERE.get(path.suffix.lower()):
        raise UserError(f"{printable(path)}: {hint}.")
    if not is_dicom(path):
        raise UserError(f"{printable(path)} is of no known format; {KNOWN}.")
    modality = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"]).get("Modality", "")
    kinds = {"RTSTRUCT": "rtstruct", "SEG": "seg"}
    if modality not in kinds:
        raise UserError(f"{printable(path)} is DICOM of the modality {modality!r}; RTSTRUCT or SEG was expected.")
    return kinds[modality]


def read_annotation(path: Path, scan: Scan, reading: Reading) -> Annotation:
    """Read one file: its lesions, those apart under one name as several, on the slices that count as annotated.

    Args:
        path: the file.
        scan: the scan.
        reading: how it is read.

    Raises:
        UserError: the file cannot be read, or was not drawn on the scan.
    """
    found = read_file(path, scan, reading)
    beyond = [k + 1 for k in reading.slices if not 0 <= k < scan.shape[0]]
    if beyond:
        raise UserError(f"Slice {beyond[0]} under `slices` is none of the {scan.shape[0]} slices of the scan.")
    outlines, notes = [], list(found.notes)
    for one in found.outlines:
        kept = only_slices(one, reading.slices) if reading.slices else one
        if kept is None:
            notes.append(f"{one.lesion!r} of {printable(path)} holds no pixel on the slices under `slices`.")
            continue
        parts = split_lesions(kept)
        if len(parts) > 1:
            where = "; ".join(f"{part.lesion}: {_listed(part.slices)}" for part in parts)
            notes.append(
                f"{one.lesion!r} of {printable(path)} holds {len(parts)} parts that do not overlap from one annotated "
                f"slice to the next. Each was filled by itself (slices of {where})."
            )
        outlines += parts
    return replace(found, outlines=outlines, notes=notes)


def _listed(slices: object) -> str:
    return ", ".join(str(k + 1) for k in slices)


def read_file(path: Path, scan: Scan, reading: Reading) -> Annotation:
    """Read one file as it is: what stands under one name as one lesion, on all slices that the format implies.

    Args:
        path: the file.
        scan: the scan.
        reading: how it is read; `slices` is not looked at.

    Raises:
        UserError: the file cannot be read, or was not drawn on the scan.
    """
    kind = format_of(path)
    try:
        if kind == "rtstruct":
            return read_rtstruct(path, scan, roi=reading.roi, snap=reading.snap)
        if kind == "seg":
            return read_seg(path, scan, roi=reading.roi)
        if kind == "csv":
            return read_points(path, scan, roi=reading.roi, snap=reading.snap)
        read = read_nifti_labels if kind == "nifti" else read_nrrd
        return read(path, scan, roi=reading.roi, ignore_label=reading.ignore_label)
    except UserError:
        raise
    except Exception as error:  # pydicom, highdicom, pandas and nibabel let errors of many kinds through
        raise UserError(f"{printable(path)} cannot be read as {kind}: {error}. Export it again.") from error
