"""A user's own scan and annotations of it in each format, made by other code than what is tested."""

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from explainct.data.ingest.dicom_io import write_ct_series
from explainct.runtime.volume import Volume

SHAPE = (12, 48, 60)
SPACING = (2.5, 0.9, 0.7)
ORIGIN = (-21.3, 14.2, -100.7)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SERIES = "1.2.826.0.1.3680043.8.498.1"
NAME, BIRTH, ACCESSION = "PLANTED^NAME", "19010203", "PLANTEDACC42"


def make_scan(
    folder: Path,
    *,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
    direction: Sequence[float] = AXIAL,
    series_uid: str = SERIES,
) -> Volume:
    """Write a CT series of noise and return its volume."""
    array = np.random.default_rng(0).integers(-1000, 400, shape).astype(np.int16)
    volume = Volume(array, spacing, ORIGIN, tuple(direction))
    names = [f"{k:03}.dcm" for k in range(shape[0])]
    write_ct_series(volume, folder, study_uid="1.2.3", series_uid=series_uid, patient_id="PLANTEDID7", file_names=names)
    return volume


def headers(folder: Path) -> list[pydicom.Dataset]:
    """Return the headers of a series, z ascending."""
    found = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    return sorted(found, key=lambda one: float(one.ImagePositionPatient[2]))


def points_of(volume: Volume, k: float, corners: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return the patient positions (x, y, z) of corners (row, column) on a slice [N, 3]."""
    return np.array([volume.position((k, row, column)) for row, column in corners])


def circle(row: float, column: float, radius_mm: float, spacing: Sequence[float] = SPACING[1:], n: int = 200):
    """Return the corners (row, column) of a circle."""
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [
        (row + radius_mm * s / spacing[0], column + radius_mm * c / spacing[1])
        for s, c in zip(np.sin(turn), np.cos(turn), strict=True)
    ]


def disc(row: float, column: float, radius_mm: float, shape=SHAPE[1:], spacing: Sequence[float] = SPACING[1:]):
    """Return the pixels whose centres lie in a circle, bool [H, W]."""
    i, j = np.mgrid[: shape[0], : shape[1]]
    return ((i - row) * spacing[0]) ** 2 + ((j - column) * spacing[1]) ** 2 < radius_mm**2


def write_rtstruct(
    path: Path,
    scan: Path,
    rois: Sequence[tuple[str, Sequence[tuple[np.ndarray, str]]]],
    *,
    series_uid: str | None = None,
    frame_uid: str | None = None,
    with_images: bool = True,
) -> Path:
    """Write a structure set; a region is a name and contours, each points [N, 3] in mm and a type."""
    first = headers(scan)[0]
    frame_uid = frame_uid or first.FrameOfReferenceUID
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = RTStructureSetStorage, generate_uid(), "RTSTRUCT"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = first.StudyInstanceUID, generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, "PLANTEDID7", BIRTH
    dataset.AccessionNumber, dataset.OperatorsName = ACCESSION, NAME
    dataset.StructureSetLabel = "PLAN"
    series, image = Dataset(), Dataset()
    series.SeriesInstanceUID = series_uid or first.SeriesInstanceUID
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CTImageStorage, first.SOPInstanceUID
    series.ContourImageSequence = [image]
    study, frame = Dataset(), Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = frame_uid, [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence, dataset.RTROIObservationsSequence = [], [], []
    for number, (name, contours) in enumerate(rois, start=1):
        _add_region(dataset, number, name, contours, frame_uid, first.SOPInstanceUID if with_images else "")
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def _add_region(dataset, number, name, contours, frame_uid, image_uid) -> None:
    region, item, observation = Dataset(), Dataset(), Dataset()
    region.ROIGenerationAlgorithm = "MANUAL"
    region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = number, name, frame_uid
    item.ReferencedROINumber, item.ContourSequence = number, []
    for points, kind in contours:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
        contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
        if image_uid:
            image = Dataset()
            image.ReferencedSOPClassUID = CTImageStorage
            image.ReferencedSOPInstanceUID = image_uid  # always that of the first slice: such references lie
            contour.ContourImageSequence = [image]
        item.ContourSequence.append(contour)
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.RTROIInterpretedType, observation.ROIInterpreter = "GTV", NAME
    dataset.StructureSetROISequence.append(region)
    dataset.ROIContourSequence.append(item)
    dataset.RTROIObservationsSequence.append(observation)


def write_seg(path: Path, scan: Path, planes: dict[int, np.ndarray], *, omit_empty: bool = True, label="GTV") -> Path:
    """Write masks [H, W] by slice as one segment, with highdicom, on those slices alone."""
    images = [headers(scan)[k] for k in sorted(planes)]
    description = hd.seg.SegmentDescription(
        1, label, codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion, hd.seg.SegmentAlgorithmTypeValues.MANUAL
    )
    hd.seg.Segmentation(
        images,
        np.stack([planes[k] for k in sorted(planes)]).astype(np.uint8),
        hd.seg.SegmentationTypeValues.BINARY,
        [description],
        generate_uid(),
        2,
        generate_uid(),
        1,
        "M",
        "M",
        "1",
        "1",
        omit_empty_frames=omit_empty,
    ).save_as(path)
    return path


def write_nifti(path: Path, volume: Volume, labels: np.ndarray) -> Path:
    """Write a label map [D, H, W] with the affine of a volume, by nibabel."""
    axes = np.reshape(volume.direction, (3, 3)) * volume.spacing[::-1]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, volume.origin
    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), np.diag([-1, -1, 1, 1]) @ affine), path)
    return path


def write_seg_nrrd(path: Path, volume: Volume, planes: dict[str, np.ndarray], layers: bool = False) -> Path:
    """Write masks [D, H, W] as Slicer does: cropped to the segments, one layer or several, with its keys."""
    held = np.argwhere(np.logical_or.reduce(list(planes.values())))
    (k, i, j), (stop_k, stop_i, stop_j) = held.min(0), held.max(0) + 1
    box = slice(k, stop_k), slice(i, stop_i), slice(j, stop_j)
    if layers:
        array = np.stack([mask[box] for mask in planes.values()], axis=-1).astype(np.uint8)
    else:
        array = np.zeros((stop_k - k, stop_i - i, stop_j - j), np.uint8)
        for value, mask in enumerate(planes.values(), start=1):
            array[mask[box]] = value
    image = sitk.GetImageFromArray(array, isVector=layers)
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.position((int(k), int(i), int(j))))
    image.SetDirection(volume.direction)
    for number, name in enumerate(planes):
        keys = {
            "ID": f"Segment_{number + 1}",
            "Name": name,
            "Color": "0.5 0.7 0.4",
            "LabelValue": str(1 if layers else number + 1),
            "Layer": str(number if layers else 0),
            "Extent": f"0 {array.shape[2] - 1} 0 {array.shape[1] - 1} 0 {array.shape[0] - 1}",
        }
        for key, value in keys.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    image.SetMetaData("Segmentation_MasterRepresentation", "Binary labelmap")
    sitk.WriteImage(image, str(path), useCompression=True)
    path.write_bytes(path.read_bytes().replace(b"kinds: vector", b"kinds: list", 1))  # as Slicer has it
    return path


def write_points(path: Path, volume: Volume, lesions: dict[str, dict[int, Sequence[tuple[float, float]]]]) -> Path:
    """Write contours, corners (row, column) by slice and lesion, as a table of points in mm."""
    rows = ["lesion,reader,x_mm,y_mm,z_mm,contour"]
    for lesion, contours in lesions.items():
        for k, corners in contours.items():
            rows += [f"{lesion},R1,{x:.4f},{y:.4f},{z:.4f},{k}" for x, y, z in points_of(volume, k, corners)]
    path.write_text("\n".join(rows) + "\n")
    return path
