"""Headers of CT slices: where a slice lies and whether its file is whole, and nothing about the patient."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.config import disable_value_validation
from pydicom.uid import MediaStorageDirectoryStorage

from explainct.data.ingest import dicom_image_kind as image
from explainct.data.ingest.dicom_elements import HeaderError, element, numbers, uid, unexpected

TAGS = (
    *image.TAGS,
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
)
SPACING_LIMITS_MM = (0.01, 25.0)
"""Voxel sizes beyond these are no CT's."""

POSITION_LIMIT_MM = 10_000.0
"""Largest distance of a slice from the scanner's origin, along each axis."""

ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
"""Tags that stand before each piece of encapsulated pixels, and after the last."""


@dataclass(frozen=True)
class Header:
    """What the index needs to know about one CT slice.

    Attributes:
        path: the file.
        series_uid: Series Instance UID; empty where the file does not say it.
        problem: what is wrong with the file, as the end of a sentence; empty for a whole file. Else what
            follows is absent.
        instance_uid: SOP Instance UID.
        patient_id: Patient ID where it is a public one, else empty.
        rows: height of the slice in voxels.
        columns: width of the slice in voxels.
        pixel_spacing: voxel size (y, x) in mm.
        orientation: directions of a row and of a column, two vectors (x, y, z), 6 numbers.
        position: patient position (x, y, z) in mm of the centre of the first voxel.
    """

    path: Path
    series_uid: str = ""
    problem: str = ""
    instance_uid: str = ""
    patient_id: str = ""
    rows: int = 0
    columns: int = 0
    pixel_spacing: tuple[float, ...] = ()
    orientation: tuple[float, ...] = ()
    position: tuple[float, ...] = ()


def read_header(path: Path, *, patient_pattern: str = "") -> Header | None:
    """Read the header of one file, or return None where the file is no CT slice.

    A file counts as DICOM if it has DICOM's prefix or its name ends in `.dcm`. Pixels are not read; that they are all
    there follows from the lengths that stand before them and the length of the file.

    Args:
        path: the file.
        patient_pattern: regular expression of the patient ids that are public; by default no id is read.
    """
    series_uid = ""
    try:
        with path.open("rb") as file, disable_value_validation():
            start = file.read(132)
            if path.suffix.lower() != ".dcm" and start[128:] != b"DICM":
                return None
            file.seek(0)
            tags = [*TAGS, "PatientID"] if patient_pattern else [*TAGS]
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
            if _is_something_else(dataset):
                return None
            series_uid = uid(dataset, "SeriesInstanceUID")
            header = _header(path, series_uid, dataset, patient_pattern)
            _check_pixels(dataset, file)
            return header
    except HeaderError as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except Exception:  # pydicom lets errors of many kinds through: of zlib, struct, its own, and of values
        problem = "cannot be read as DICOM"
    return Header(path, series_uid, problem)


def _is_something_else(dataset: pydicom.FileDataset) -> bool:
    """Tell whether the file is readable and no CT slice: another modality, or the directory of a disc."""
    if dataset.get("Modality"):
        return dataset.Modality != "CT"
    return dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage


def _header(path: Path, series_uid: str, dataset: pydicom.FileDataset, patient_pattern: str) -> Header:
    image.check_image(dataset)
    patient_id = str(dataset.get("PatientID", ""))
    return Header(
        path=path,
        series_uid=series_uid,
        instance_uid=uid(dataset, "SOPInstanceUID"),
        patient_id=patient_id if re.fullmatch(patient_pattern, patient_id) else "",
        rows=_count(dataset, "Rows"),
        columns=_count(dataset, "Columns"),
        pixel_spacing=_pixel_spacing(dataset),
        orientation=numbers(dataset, "ImageOrientationPatient", 6),
        position=_position(dataset),
    )


def _count(dataset: pydicom.FileDataset, keyword: str) -> int:
    count = element(dataset, keyword)
    if not isinstance(count, int) or count < 1:
        raise unexpected(keyword, count, "a whole number above 0")
    return count


def _pixel_spacing(dataset: pydicom.FileDataset) -> tuple[float, ...]:
    low, high = SPACING_LIMITS_MM
    spacing = numbers(dataset, "PixelSpacing", 2)
    if not low <= min(spacing) <= max(spacing) <= high:
        raise unexpected("PixelSpacing", spacing, f"{low:g} to {high:g} mm")
    return spacing


def _position(dataset: pydicom.FileDataset) -> tuple[float, ...]:
    position = numbers(dataset, "ImagePositionPatient", 3)
    if max(abs(value) for value in position) > POSITION_LIMIT_MM:
        raise unexpected("ImagePositionPatient", position, f"at most {POSITION_LIMIT_MM:g} mm along each axis")
    return position


def _check_pixels(dataset: pydicom.FileDataset, file: BinaryIO) -> None:
    """Compare the lengths of the pixels that are expected, announced and there; the file stands before the pixels."""
    stream = file if dataset.buffer is None else dataset.buffer  # a deflated file is inflated as a whole, in memory
    syntax = dataset.file_meta.TransferSyntaxUID
    order = "little" if syntax.is_little_endian else "big"
    start = stream.read(8 if syntax.is_implicit_VR else 12)
    if [int.from_bytes(start[at : at + 2], order) for at in (0, 2)] != [0x7FE0, 0x0010]:
        raise HeaderError("holds no pixels")
    if syntax.is_encapsulated:
        _check_pieces(stream)
        return
    announced, position = int.from_bytes(start[-4:], order), stream.tell()
    left = stream.seek(0, os.SEEK_END) - position
    expected = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
    if announced != expected:
        raise HeaderError(f"holds {announced} bytes of pixels (expected {expected})")
    if left < expected:
        raise HeaderError(f"is truncated: {expected} bytes of pixels expected, {left} left")


def _check_pieces(stream: BinaryIO) -> None:
    """Go from piece to piece of encapsulated pixels, to the tag that stands after the last."""
    while (start := stream.read(8))[:4] == ITEM:
        stream.seek(int.from_bytes(start[4:], "little"), os.SEEK_CUR)
    if start[:4] != SEQUENCE_END:
        raise HeaderError("is truncated: its compressed pixels have no end")
