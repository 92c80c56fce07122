"""Small CT series for the tests of this folder."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from explainct.data.ingest.dicom_io import write_ct_series
from explainct.runtime.volume import Volume

SERIES = "1.2.3.4"


def small_volume(slices: int = 5, seed: int = 0) -> Volume:
    array = np.random.default_rng(seed).integers(-1024, 3000, (slices, 6, 8)).astype(np.int16)
    return Volume(array, spacing=(2.5, 0.7, 0.7), origin=(-10.5, 20.25, -125.0))


def write_series(folder: Path, slices: int = 5, uid: str = SERIES, seed: int = 0) -> Volume:
    volume = small_volume(slices, seed)
    names = [f"{slices - k}.dcm" for k in range(slices)]
    write_ct_series(volume, folder, study_uid="1.2.3", series_uid=uid, patient_id="P1", file_names=names)
    return volume


def change(path: Path, **values: object) -> None:
    """Set header elements of a file; None removes one."""
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


def put(path: Path, keyword: str, value: bytes) -> None:
    """Set the bytes of a header element of a file, which may be no value of its type."""
    dataset = pydicom.dcmread(path)
    tag = Tag(keyword)
    dataset[tag] = RawDataElement(tag, dictionary_VR(tag)[:2], len(value), value, 0, False, True)
    dataset.save_as(path)


def uncompress(path: Path) -> None:
    """Rewrite a file in the syntax Explicit VR Little Endian."""
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path)


def cut(path: Path, share: float) -> None:
    """Keep just the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
