"""Headers of CT slices: where a slice lies and whether its file is whole, and nothing about the patient."""

import os
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, MediaStorageDirectoryStorage

TAGS = (
    "Modality",
    "SeriesInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
)
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "BitsAllocated")


@dataclass(frozen=True)
class Header:
    """What the index needs to know about one CT slice.

    Attributes:
        path: the file.
        series_uid: Series Instance UID; empty where the file does not say it.
        instance: instance number, or the file's name where there is none.
        problem: what is wrong with the file, as the end of a sentence; empty for a whole file. Geometry is then absent.
        rows: height of the slice in voxels.
        columns: width of the slice in voxels.
        pixel_spacing: voxel size (y, x) in mm.
        orientation: directions of a row and of a column, two unit vectors (x, y, z), 6 numbers.
        position: patient position (x, y, z) in mm of the centre of the first voxel.
    """

    path: Path
    series_uid: str = ""
    instance: str = ""
    problem: str = ""
    rows: int = 0
    columns: int = 0
    pixel_spacing: tuple[float, ...] = ()
    orientation: tuple[float, ...] = ()
    position: tuple[float, ...] = ()


def read_header(path: Path) -> Header | None:
    """Read the header of one file, or return None where the file is no CT slice.

    A file counts as DICOM if it has DICOM's prefix or its name ends in `.dcm`. Pixels are not read; that they are all
    there follows from the length of the file, and for deflated files from the end of their stream.
    """
    if not _claims_dicom(path):
        return None
    try:
        with path.open("rb") as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))
            present = os.fstat(file.fileno()).st_size - file.tell()
        if _is_something_else(dataset):
            return None
        return _header(path, dataset, present)
    except Exception:  # pydicom lets errors of many kinds through: of zlib, struct, its own, and of values
        return Header(path, problem="cannot be read as DICOM")


def _claims_dicom(path: Path) -> bool:
    if path.suffix.lower() == ".dcm":
        return True
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_something_else(dataset: pydicom.FileDataset) -> bool:
    """Tell whether the file is readable and no CT slice: another modality, or the directory of a disc."""
    if "Modality" in dataset:
        return dataset.Modality != "CT"
    return dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage


def _header(path: Path, dataset: pydicom.FileDataset, present: int) -> Header:
    """Take the header's values; `present` is the number of bytes after the last element that was read."""
    uid = str(dataset.get("SeriesInstanceUID", ""))
    instance = str(dataset.get("InstanceNumber") or path.name)
    if problem := _problem(dataset, present):
        return Header(path, uid, instance, problem)
    return Header(
        path=path,
        series_uid=uid,
        instance=instance,
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        pixel_spacing=tuple(float(value) for value in dataset.PixelSpacing),
        orientation=tuple(float(value) for value in dataset.ImageOrientationPatient),
        position=tuple(float(value) for value in dataset.ImagePositionPatient),
    )


def _problem(dataset: pydicom.FileDataset, present: int) -> str:
    """Return what is wrong with the file as the end of a sentence, or an empty string."""
    missing = [tag for tag in ("SeriesInstanceUID", *GEOMETRY) if not dataset.get(tag)]
    if missing:
        return f"has no {missing[0]} in its header"
    syntax = dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
    # A deflated stream that ends early has already failed, and the length of other compressed pixels says nothing.
    if syntax.is_compressed or syntax == DeflatedExplicitVRLittleEndian:
        return ""
    pixels = dataset.Rows * dataset.Columns * dataset.get("SamplesPerPixel", 1) * dataset.BitsAllocated // 8
    left = max(present - (8 if syntax.is_implicit_VR else 12), 0)  # tag, type and length come before the pixels
    return f"is truncated: {pixels} bytes of pixels expected, {left} left" if left < pixels else ""
