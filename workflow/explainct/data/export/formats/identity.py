"""DICOM objects that are made of others: what is kept of them, and by what they are told apart."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

EMPTIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
)
"""Elements that the standard wants in every object and allows to be empty."""

SERIES_NUMBER = 100
"""Lists new objects behind the images of their study."""


def without_identity(dataset: Dataset, kept: Iterable[str]) -> Dataset:
    """Return a new object with some elements of another one, and the others that the standard wants, empty.

    Args:
        dataset: the object that was read.
        kept: keywords of the elements to keep.
    """
    cleaned = Dataset()
    for keyword in EMPTIED:
        setattr(cleaned, keyword, None)
    for keyword in kept:
        if keyword in dataset:
            cleaned.add(dataset[keyword])
    return cleaned


def new_instance(dataset: Dataset, digest: str) -> None:
    """Make an object a new instance in a series of its own, named by its content and dated by SOURCE_DATE_EPOCH.

    Args:
        dataset: the object.
        digest: hash of all that it was made of.
    """
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    for keyword in EMPTIED:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[digest, "instance"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[digest, "series"])
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBER, 1
    dataset.SeriesDescription = "Filled by ExplainCT"
    prefix = "StructureSet" if dataset.Modality == "RTSTRUCT" else "Content"
    setattr(dataset, f"{prefix}Date", moment.strftime("%Y%m%d"))
    setattr(dataset, f"{prefix}Time", moment.strftime("%H%M%S"))
    dataset.Manufacturer, dataset.ManufacturerModelName = "ExplainCT", "ExplainCT"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "0", "0.1.0"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
