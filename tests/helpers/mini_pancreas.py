"""Miniature copies of the two pancreas archives: noise, an ellipsoid for the pancreas, and one in it for the tumour."""

import json
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from explainct.data.ingest.dicom_io import write_ct_series
from explainct.runtime.volume import Volume

ORIENTATIONS = ("RAS", "LAS", "LPS", "RPI", "SPL")
"""Axes of the files of `make_msd`, in turn."""

TISSUE, PANCREAS, TUMOUR = 40, 100, -20
"""Mean HU."""

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def make_msd(folder: Path, *, patients: int, seed: int = 0) -> list[str]:
    """Write a folder like Task07_Pancreas of the Medical Segmentation Decathlon and return its patients' ids."""
    names = [f"pancreas_{number:03d}" for number in range(1, patients + 1)]
    for number, name in enumerate(names):
        image, label = make_scan(np.random.default_rng([seed, 1, number]), tumour=True)
        axes = ORIENTATIONS[number % len(ORIENTATIONS)]
        write_nifti(image, folder / "imagesTr" / f"{name}.nii.gz", axes=axes)
        write_nifti(label, folder / "labelsTr" / f"{name}.nii.gz", axes=axes)
    write_nifti(image, folder / "imagesTs" / "pancreas_999.nii.gz")
    (folder / "imagesTr" / f"._{names[0]}.nii.gz").write_bytes(b"\x00\x05\x16\x07 a resource fork")
    content = {
        "name": "Pancreas",
        "labels": {"0": "background", "1": "pancreas", "2": "cancer"},
        "numTraining": patients,
    }
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return names


def make_nih(folder: Path, *, patients: int, seed: int = 0, labels: str = "nifti") -> list[str]:
    """Write a folder like NIH Pancreas-CT, with `nifti` or `seg` labels, and return its patients' ids."""
    names = [f"PANCREAS_{number:04d}" for number in range(1, patients + 1)]
    for number, name in enumerate(names):
        image, label = make_scan(np.random.default_rng([seed, 2, number]), tumour=False)
        study, series = (generate_uid(entropy_srcs=[name, str(seed), what]) for what in ("study", "series"))
        # Names of files that do not follow z, as those of the archive.
        files = [f"1-{len(image.array) - k:03d}.dcm" for k in range(len(image.array))]
        write_ct_series(
            image, folder / name / "ct", study_uid=study, series_uid=series, patient_id=name, file_names=files
        )
        if labels == "seg":
            write_seg(label.array, [folder / name / "ct" / file for file in files], folder / name / "seg" / "1-1.dcm")
        else:
            write_nifti(label, folder / "TCIA_pancreas_labels" / f"label{name[-4:]}.nii.gz", axes="LAS")
    return names


def make_scan(generator: np.random.Generator, *, tumour: bool) -> tuple[Volume, Volume]:
    """Return a CT in HU and its label map [D, H, W]; sizes, voxels, places and shapes differ from scan to scan."""
    shape = tuple(int(size + generator.integers(-3, 4)) for size in (32, 40, 44))
    spacing = (float(generator.choice([2.0, 2.5])), 1.5, 1.5)
    origin = tuple(generator.uniform(-100, 100, 3).round(2).tolist())
    centre = np.array(shape) / 2 + generator.uniform(-2, 2, 3)
    label = _ellipsoid(shape, centre, generator.uniform((7, 6, 10), (9, 8, 13))).astype(np.uint8)
    if tumour:
        away = generator.uniform(-1.5, 1.5, 3)
        label[_ellipsoid(shape, centre + away, generator.uniform((3.2, 3, 4), (4.5, 4, 6)))] = 2
    means = np.array([TISSUE, PANCREAS, TUMOUR])
    hu = means[label] + generator.normal(0, 15, shape)
    return Volume(np.rint(hu).astype(np.int16), spacing, origin), Volume(label, spacing, origin)


def _ellipsoid(shape: Sequence[int], centre: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    indices = np.indices(shape).T
    return (((indices - centre) / radii) ** 2).sum(axis=-1).T <= 1


def write_nifti(volume: Volume, path: Path, *, axes: str = "RAS") -> None:
    """Write a volume [D, H, W] as a NIfTI file whose axes point to `axes`, with equal sform and qform."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(volume.direction, (3, 3)) * volume.spacing[::-1]
    affine[:3, 3] = volume.origin
    image = nib.Nifti1Image(volume.array.T, RAS_FROM_LPS @ affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(axes)
    )
    image = image.as_reoriented(turn)
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def write_seg(label: np.ndarray, images: Sequence[Path], path: Path) -> None:
    """Write a label map [D, H, W] as a DICOM SEG of one segment that references its images, z ascending."""
    sources = [pydicom.dcmread(image) for image in images]
    uids = [generate_uid(entropy_srcs=[sources[0].SeriesInstanceUID, what]) for what in ("seg series", "seg")]
    organ = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Pancreas",
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Pancreas,
        algorithm_type="MANUAL",
    )
    segmentation = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=label.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[organ],
        series_instance_uid=uids[0],
        series_number=2,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer="DUE",
        manufacturer_model_name="miniature",
        software_versions="1",
        device_serial_number="1",
    )
    _make_repeatable(segmentation, uids[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    segmentation.save_as(path)


def _make_repeatable(segmentation: hd.seg.Segmentation, uid: str) -> None:
    """Replace what differs each time a segmentation is made: random UIDs, dates and times."""
    for sequence in (segmentation.DimensionOrganizationSequence, segmentation.DimensionIndexSequence):
        for item in sequence:
            item.DimensionOrganizationUID = generate_uid(entropy_srcs=[uid, "dimensions"])
    del segmentation.ContributingEquipmentSequence
    for what in ("InstanceCreation", "Content", "Series"):
        setattr(segmentation, f"{what}Date", "20150101")
        setattr(segmentation, f"{what}Time", "120000")
