"""A small cohort on disk for the tests of this folder: DICOM and NIfTI images, lesions, masks and weights."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from pydicom.uid import generate_uid

from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import write_ct_series
from explainct.runtime.volume import Box, Volume

SERIES, SHAPE = "1.2.3.4", (6, 14, 18)
SPACING, ORIGIN = (2.5, 0.7, 0.8), (-10.5, 20.25, -125.0)
UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
PRONE = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
GRID = (5, 8, 9)

BOXES = {
    "P1-n0": Box((1, 3, 4), (4, 8, 10)),  # trains, has a margin
    "P1-n1": Box((5, 9, 12), (6, 12, 17)),  # one slice, tests
    "P1-n2": Box((0, 0, 0), (1, 4, 5)),  # one slice, trains
    "P2-n0": Box((2, 3, 4), (4, 8, 10)),  # on NIfTI, trains
    "P3-n0": Box((2, 3, 4), (4, 8, 10)),  # a normal scan
    "P4-n0": Box((2, 3, 4), (4, 8, 10)),  # not in the cohort
}
BLOCKS = BOXES | {"P1-n0": Box((0, 2, 2), (5, 9, 12))}
TRAINING = ("P1-n0", "P1-n2", "P2-n0")


def masks_of(name: str) -> np.ndarray:
    """Return three asymmetric masks [3, K, h, w] of a lesion: two readers and their consensus."""
    box = BOXES[name]
    masks = np.random.default_rng(len(name) + box.start[0]).random((3, *box.shape)) > 0.5
    masks[:, 0, 0, :2] = 1
    masks[0, -1], masks[2, -1, -1] = 0, 1  # the consensus leaves a slice out, where there are more
    masks[0, 0, 0] = 1
    return masks.astype(np.uint8)


def in_scan(mask: np.ndarray, box: Box) -> np.ndarray:
    whole = np.zeros(SHAPE, mask.dtype)
    whole[box.slices] = mask
    return whole


def filled_of(name: str) -> dict[str, np.ndarray]:
    names = ("interpolated", "variance", "weight")
    values = np.random.default_rng(len(name)).random((3, *GRID)).astype(np.float16)
    return dict(zip(names, values, strict=True))


def slices_of(name: str) -> np.ndarray:
    """Return the annotation of a lesion's own slices with the gaps filled, float16 [K, h, w]."""
    return np.random.default_rng(7).random(BOXES[name].shape).astype(np.float16)


def limits(box: Box) -> dict[str, int]:
    ends = {f"{axis}_start": low for axis, low in zip("kij", box.start, strict=True)}
    return ends | {f"{axis}_stop": high for axis, high in zip("kij", box.stop, strict=True)}


def write_images(folder: Path, direction: tuple[float, ...] = UPRIGHT) -> pd.DataFrame:
    """Write a series in which the consensus of lesion P1-n0 is bright, and return the table of series."""
    bright = in_scan(masks_of("P1-n0")[0], BOXES["P1-n0"]).astype(np.int16) * 1000
    names = [f"{SHAPE[0] - k}.dcm" for k in range(SHAPE[0])]
    volume = Volume(bright, SPACING, ORIGIN, direction)
    write_ct_series(volume, folder, study_uid="1.2.3", series_uid=SERIES, patient_id="HOSPITAL42", file_names=names)
    dicom = index_dicom(folder, exclude=[], on_problem="stop").iloc[0].to_dict()
    instances = [generate_uid(entropy_srcs=[SERIES, str(k + 1)]) for k in range(SHAPE[0])]
    dicom |= {"archive": "lidc", "format": "dicom", "instance_uids": instances}
    nifti = {"archive": "msd_pancreas", "format": "nifti", "series_uid": "scan", "files": ["a.nii.gz"]}
    return pd.DataFrame([dicom, dicom | nifti | {"instance_uids": []}])


def write_cohort(folder: Path, direction: tuple[float, ...] = UPRIGHT) -> dict[str, object]:
    """Write everything that `export_masks` reads, and return its arguments."""
    series = write_images(folder / "dicom", direction)
    rows, samples = [], []
    with h5py.File(folder / "slices.h5", "w") as slices, h5py.File(folder / "0.h5", "w") as weights:
        for name, box in BOXES.items():
            patient = name.split("-")[0]
            masks = masks_of(name)
            slices.create_group(name).create_dataset("consensus", data=masks[0])
            slices[name].create_dataset("readers", data=masks[1:])
            if name in TRAINING:
                for key, values in (filled_of(name) | {"slices": slices_of(name)}).items():
                    weights.create_dataset(f"{name}/{key}", data=values)
            same = {"lesion_id": name, "patient_id": patient, "label": int(patient != "P3")}
            place = {"scan_rows": SHAPE[1], "scan_columns": SHAPE[2], "readers": 2, **limits(box)}
            uid = SERIES if patient == "P1" else "scan"
            rows.append({**same, **place, "series_uid": uid, "in_cohort": patient != "P4"})
            samples.append({**same, **limits(BLOCKS[name]), "shard": 0})
            samples.append({**same, **limits(Box((0, 0, 0), (1, 1, 1))), "label": 0, "shard": 0})
    files = {"series_file": series, "lesions_file": pd.DataFrame(rows), "samples_file": pd.DataFrame(samples)}
    for name, table in files.items():
        table.to_parquet(folder / name)
    return {
        **{name: folder / name for name in files},
        "slices_file": folder / "slices.h5",
        "weights_file": folder / "0.h5",
        "archives": {"lidc": str(folder / "dicom")},
        "lesions": [],
        "shard": 0,
        "masks_folder": folder / "out",
    }
