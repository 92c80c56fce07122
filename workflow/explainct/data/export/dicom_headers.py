"""Headers of the slices that a segmentation is drawn on: what links it to them, and nothing about the patient."""

from pathlib import Path

import pandas as pd
import pydicom
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from explainct.errors import UserError

KEPT = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
)
"""All that is read of a header. Elements about the patient, the study's date, people, places and devices are not."""

EMPTIED = (
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Elements that the standard wants in every file and allows to be empty."""


def read_source_headers(folder: Path, scan: pd.Series, slices: slice, patient_id: str) -> list[Dataset]:
    """Read the headers of some slices of a series, without the patient's identity.

    Args:
        folder: the archive's folder.
        scan: the series' row of `series.parquet`, named by its UID.
        slices: which slices, in indices of the series.
        patient_id: the public research id, which becomes the name of the patient as well.

    Returns:
        One header a slice, z ascending.

    Raises:
        UserError: a file is missing or damaged, or is not the one that was indexed.
    """
    files = [folder / name for name in scan.files[slices]]
    headers = [_read(path) for path in files]
    for path, instance, header in zip(files, scan.instance_uids[slices], headers, strict=True):
        expected = {
            "SOPInstanceUID": instance,
            "SeriesInstanceUID": scan.name,
            "FrameOfReferenceUID": headers[0].FrameOfReferenceUID,
            "Rows": scan.rows,
            "Columns": scan.columns,
        }
        for keyword, value in expected.items():
            if header[keyword].value != value:
                raise UserError(
                    f"{path} has the {keyword} {header[keyword].value}, where {value} was expected; it has changed "
                    "since it was indexed. Restore the file, or run the stage `ingest` again."
                )
        _complete(header, headers[0], scan, patient_id)
    return headers


def _read(path: Path) -> Dataset:
    """Return the kept elements of a file."""
    try:
        source = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEPT))
        missing = [keyword for keyword in KEPT if not source.get(keyword)]
    except FileNotFoundError:
        raise UserError(f"{path} is missing. Restore the file, or run the stage `ingest` again.") from None
    except Exception as error:  # pydicom lets errors of many kinds through: of zlib, struct, its own, and of values
        raise UserError(
            f"The header of {path} cannot be read; a DICOM slice was expected. "
            "Download the file again, or list its series under `ingest.exclude`."
        ) from error
    if missing:
        raise UserError(
            f"{path} has no {missing[0]} in its header, which a segmentation of it needs. "
            "Restore the file, or leave its lesions out of the export."
        )
    header = Dataset()
    for keyword in KEPT:
        header.add(source[keyword])
    return header


def _complete(header: Dataset, first: Dataset, scan: pd.Series, patient_id: str) -> None:
    """Add what a segmentation takes over from the headers of its slices."""
    header.PatientID, header.PatientName = patient_id, f"{patient_id}^"
    for keyword in EMPTIED:
        setattr(header, keyword, None)
    # The index lets orientations differ by rounding, but the slices of a segmentation share one.
    header.ImageOrientationPatient = first.ImageOrientationPatient
    # Thickness is no spacing in a third of LIDC's scans, yet viewers stack segments by it.
    header.SliceThickness = header.SpacingBetweenSlices = DSfloat(float(scan.spacing_z), auto_format=True)
