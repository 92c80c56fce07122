"""Filled lesions as new regions of the DICOM RT structure set that was read, beside all that it held."""

import copy
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom
from nibabel.affines import apply_affine
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from explainct.data.annotate.formats.polygons import trace
from explainct.data.export.formats.filled import FilledMask, by_key, name_filled, on_scan_slices
from explainct.data.export.formats.identity import new_instance, without_identity
from explainct.data.ingest.user_scan import Scan
from explainct.runtime.files import replacing

DECIMALS = 4
"""Of positions in mm: decimal strings of DICOM hold 16 characters, and some planning systems refuse longer ones."""

KEPT = (
    "SOPClassUID",
    "Modality",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
    "ROIContourSequence",
    "RTROIObservationsSequence",
)
"""All that is kept of the structure set where its identity is not."""


def write_rtstruct(source: Path, lesions: list[FilledMask], scan: Scan, path: Path, *, identity: str) -> None:
    """Write the structure set with a region `<name> (filled)` more for each region whose gaps were filled.

    The contours of annotated slices are copied as they are; a filled slice has one closed contour for each part, with
    its holes joined to it by cuts. The same input gives the same bytes.

    Args:
        source: the file that was read.
        lesions: its lesions with their gaps filled; their keys are the numbers of their regions.
        scan: the scan.
        path: the file to write.
        identity: `copy` keeps the patient's name and all else; `none` keeps nothing about people, dates and places.
    """
    original = pydicom.dcmread(source)
    dataset = original if identity == "copy" else without_identity(original, KEPT)
    for region in dataset.get("RTROIObservationsSequence", []):
        if identity != "copy" and "ROIInterpreter" in region:
            region.ROIInterpreter = ""
    number = max(int(region.ROINumber) for region in dataset.StructureSetROISequence)
    for key, parts in by_key(lesions).items():
        number += 1
        _add_region(dataset, int(key), number, on_scan_slices(parts, scan.shape[1:]), scan)
    digest = hashlib.sha256(source.read_bytes())
    for lesion in lesions:
        digest.update(np.packbits(lesion.mask).tobytes())
    new_instance(dataset, digest.hexdigest())
    dataset.StructureSetLabel, dataset.ApprovalStatus = "Filled", "UNAPPROVED"
    dataset.FrameOfReferenceUID = scan.frame_uid
    dataset.OperatorsName = dataset.get("OperatorsName")  # may be empty, but must be there
    with replacing(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _add_region(dataset: Dataset, key: int, number: int, planes: Mapping[int, np.ndarray], scan: Scan) -> None:
    """Add a region with the contours of the one that was read, and those of the filled slices [H, W]."""
    region = copy.deepcopy(next(one for one in dataset.StructureSetROISequence if int(one.ROINumber) == key))
    region.ROINumber, region.ROIName = number, name_filled(str(region.get("ROIName", "")))
    region.ROIGenerationAlgorithm = "SEMIAUTOMATIC"
    drawn = copy.deepcopy(next(one for one in dataset.ROIContourSequence if int(one.ReferencedROINumber) == key))
    drawn.ReferencedROINumber = number
    drawn.ContourSequence.extend(
        _contour(loop, k, scan) for k, plane in sorted(planes.items()) for loop in trace(plane)
    )
    dataset.StructureSetROISequence.append(region)
    dataset.ROIContourSequence.append(drawn)
    known = dataset.get("RTROIObservationsSequence", [])
    observed = next((one for one in known if int(one.ReferencedROINumber) == key), None)
    if observed is not None:
        observation = copy.deepcopy(observed)
        observation.ObservationNumber = max(int(one.ObservationNumber) for one in known) + 1
        observation.ReferencedROINumber = number
        dataset.RTROIObservationsSequence.append(observation)


def _contour(loop: np.ndarray, k: int, scan: Scan) -> Dataset:
    """Return a closed contour (row, column) [N, 2] of a slice as DICOM has it."""
    points = apply_affine(scan.geometry.affine, np.column_stack([np.full(len(loop), k), loop]))
    points[:, 2] = scan.z_mm[k]
    contour, image = Dataset(), Dataset()
    image.ReferencedSOPClassUID = CTImageStorage
    image.ReferencedSOPInstanceUID = scan.row["instance_uids"][k]
    contour.ContourImageSequence = [image]
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{value:.{DECIMALS}f}" for value in points.ravel()]
    return contour
