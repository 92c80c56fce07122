"""CT series as DICOM files: reading the voxels of a box in HU, and writing a series."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, generate_uid

from explainct.data.ingest.dicom_elements import HeaderError
from explainct.data.ingest.dicom_image_kind import check_image, rescale
from explainct.data.ingest.walk import printable
from explainct.errors import UserError
from explainct.runtime.files import replacing
from explainct.runtime.volume import Box, Volume

CHANGED = "The files have changed since they were indexed; run the stage `ingest` again."

WRITERS = 2
INTERCEPT = -1024
"""HU of the stored value 0 in the files that `write_ct_series` writes."""

PLANTED = {
    "PatientName": "PLANTED^NAME",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "PLANTEDACC42",
    "InstitutionName": "PLANTED INSTITUTION",
    "ReferringPhysicianName": "PLANTED^PHYSICIAN",
}
"""An invented identity in every series that is written here. Real headers may hold a real one, of which nothing may
reach a result or a log; with these words in the demo's headers, a search of the results can prove it."""


def read_crop(
    files: Sequence[Path],
    box: Box,
    *,
    size: tuple[int, int] | None = None,
    instance_uids: Sequence[str] | None = None,
) -> np.ndarray:
    """Read the voxels of `box` from a series, opening only the files that the box needs.

    Args:
        files: one file a slice, z ascending.
        box: what to read, in voxels of the series.
        size: rows and columns of the series as it was indexed; by default only the box has to fit.
        instance_uids: SOP Instance UID of each file as it was indexed; by default they are not compared.

    Returns:
        HU as int16 [D, H, W], the shape of the box. Each slice has its own slope and intercept; HU are rounded, and
        clipped to the range of int16.

    Raises:
        UserError: a file is missing, truncated or damaged, or is not what it was when it was indexed.
    """
    inner = slice(box.start[0], box.stop[0])
    uids = [None] * len(files) if instance_uids is None else instance_uids
    planes = [_read_slice(Path(file), size, uid) for file, uid in zip(files[inner], uids[inner], strict=True)]
    inside = [plane[box.slices[1:]] for plane in planes]
    if [plane.shape for plane in inside] != [box.shape[1:]] * box.shape[0]:
        raise UserError(
            f"The series of {printable(Path(files[0]))} does not hold the expected box from {box.start} to {box.stop} "
            f"(slice, row, column). {CHANGED}"
        )
    return np.stack(inside)


def _read_slice(path: Path, size: tuple[int, int] | None, instance_uid: str | None) -> np.ndarray:
    """Read one slice as int16 HU [H, W]."""
    name = printable(path)
    try:
        dataset = pydicom.dcmread(path)
        check_image(dataset)
        slope, intercept = rescale(dataset)
        stored = dataset.pixel_array
    except FileNotFoundError:
        raise UserError(f"{name} is missing. Restore the file, or run the stage `ingest` again.") from None
    except HeaderError as problem:
        raise UserError(f"{name} {problem}. {CHANGED}") from None
    except Exception as error:  # pydicom lets errors of many kinds through: of zlib, struct, its own, and of values
        raise UserError(
            f"The pixels of {name} cannot be read; a whole DICOM slice was expected. "
            "Download the file again, or list its series under `ingest.exclude`."
        ) from error
    if size is not None and stored.shape != tuple(size):
        found, expected = (f"{rows} x {columns}" for rows, columns in (stored.shape, size))
        raise UserError(f"{name} holds {found} voxels (row, column), where {expected} were expected. {CHANGED}")
    if instance_uid is not None and dataset.get("SOPInstanceUID") != instance_uid:
        raise UserError(
            f"{name} has SOPInstanceUID {str(dataset.get('SOPInstanceUID'))!r}, where {instance_uid} was expected. "
            f"{CHANGED}"
        )
    hu = stored * slope + intercept
    limits = np.iinfo(np.int16)
    return np.clip(np.rint(hu), limits.min, limits.max).astype(np.int16)


def write_ct_series(
    volume: Volume,
    folder: Path,
    *,
    study_uid: str,
    series_uid: str,
    patient_id: str,
    file_names: Sequence[str],
) -> None:
    """Write a volume as a CT series in the syntax Deflated Explicit VR Little Endian, with an invented identity.

    The same arguments give the same bytes. Instance numbers count from 1 in z order; instance UIDs follow from the
    series UID and the number.

    Args:
        volume: HU [D, H, W] from -1024 to 31743, axial, z ascending.
        folder: where the files go.
        study_uid: Study Instance UID.
        series_uid: Series Instance UID.
        patient_id: Patient ID.
        file_names: name of each slice's file, z ascending.
    """
    common = _series_header(volume, study_uid, series_uid, patient_id)

    def write_slice(k: int, name: str, plane: np.ndarray) -> None:
        """Write slice `k`, HU [H, W], to the file `name` of the folder."""
        dataset = Dataset()
        dataset.update(common)
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[series_uid, str(k + 1)])
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [_decimal(value) for value in volume.position((k, 0, 0))]
        dataset.PixelData = (plane.astype(np.int32) - INTERCEPT).astype("<u2").tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        with replacing(folder / name) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)

    # Deflating takes most of the time and lets other threads run.
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write_slice, range(len(volume.array)), file_names, volume.array))


def _series_header(volume: Volume, study_uid: str, series_uid: str, patient_id: str) -> Dataset:
    """Return the elements that all slices of a series share."""
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.Modality = "CT"
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[series_uid, "frame of reference"])
    dataset.PatientID = patient_id
    for keyword, value in PLANTED.items():
        setattr(dataset, keyword, value)
    # The standard wants these present, though they may be empty.
    for keyword in ("StudyDate", "StudyTime", "StudyID", "PatientSex", "Manufacturer", "KVP", "AcquisitionNumber"):
        setattr(dataset, keyword, None)
    dataset.SeriesNumber = 1
    dataset.PatientPosition = "HFS"
    dataset.PositionReferenceIndicator = ""
    spacing = [_decimal(value) for value in volume.spacing]
    dataset.SliceThickness, dataset.PixelSpacing = spacing[0], spacing[1:]
    columns = np.reshape(volume.direction, (3, 3)).T
    dataset.ImageOrientationPatient = [_decimal(value) for value in columns[:2].ravel()]
    dataset.Rows, dataset.Columns = volume.array.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = INTERCEPT, 1, "HU"
    dataset.WindowCenter, dataset.WindowWidth = -600, 1500
    return dataset


def _decimal(value: float) -> str:
    """Return `value` as a decimal string of DICOM, which holds at most 16 characters."""
    return f"{value:.10g}"
