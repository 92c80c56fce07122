"""Filled lesions as new segments of the DICOM segmentation that was read, whose own frames stay as they are."""

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage

from explainct.data.export.formats.filled import FilledMask, by_key, name_filled, on_scan_slices
from explainct.data.export.formats.identity import new_instance, without_identity
from explainct.data.ingest.user_scan import Scan
from explainct.errors import UserError
from explainct.runtime.files import replacing

KEPT = (
    "SOPClassUID",
    "Modality",
    "ImageType",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "LossyImageCompression",
    "SegmentationType",
    "SegmentationFractionalType",
    "MaximumFractionalValue",
    "SegmentSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DimensionOrganizationSequence",
    "DimensionOrganizationType",
    "DimensionIndexSequence",
    "ReferencedSeriesSequence",
    "ContentLabel",
)
"""All that is kept of the segmentation where its identity is not."""

OF_FRAMES = (
    "SegmentIdentificationSequence",
    "PlanePositionSequence",
    "FrameContentSequence",
    "DerivationImageSequence",
)
"""Functional groups in which frames may differ from now on."""

SAME_AXES = 1e-3


def write_seg(source: Path, lesions: list[FilledMask], scan: Scan, path: Path, *, identity: str) -> None:
    """Write the segmentation with a segment `<name> (filled)` more for each segment whose gaps were filled.

    The new segment has the frames of the one that was read, and one for each filled slice. The same input gives the
    same bytes.

    Args:
        source: the file that was read.
        lesions: its lesions with their gaps filled; their keys are the numbers of their segments.
        scan: the scan.
        path: the file to write.
        identity: `copy` keeps the patient's name and all else; `none` keeps nothing about people, dates and places.

    Raises:
        UserError: the frames have other axes than the slices of the scan.
    """
    original = pydicom.dcmread(source)
    pixels = np.atleast_3d(original.pixel_array).reshape(-1, original.Rows, original.Columns)
    dataset = original if identity == "copy" else without_identity(original, KEPT)
    _unshare(dataset)
    _check_axes(dataset, scan, source)
    frames = list(dataset.PerFrameFunctionalGroupsSequence)
    inside = int(dataset.get("MaximumFractionalValue", 1)) if dataset.SegmentationType == "FRACTIONAL" else 1
    planes = [pixels]
    number = max(int(one.SegmentNumber) for one in dataset.SegmentSequence)
    for key, parts in by_key(lesions).items():
        number += 1
        _add_segment(dataset, int(key), number)
        own = [at for at, frame in enumerate(frames) if _segment_of(frame) == int(key)]
        added = on_scan_slices(parts, scan.shape[1:])
        for at in own:
            dataset.PerFrameFunctionalGroupsSequence.append(_frame(frames[at], number))
        for k in sorted(added):
            dataset.PerFrameFunctionalGroupsSequence.append(_frame(frames[own[0]], number, scan, k))
        planes += [pixels[own], np.stack([added[k] for k in sorted(added)]).astype(pixels.dtype) * inside]
    _refer(dataset, scan)
    _index(dataset)
    _set_pixels(dataset, np.concatenate(planes))
    new_instance(dataset, hashlib.sha256(source.read_bytes() + np.concatenate(planes).tobytes()).hexdigest())
    with replacing(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _unshare(dataset: Dataset) -> None:
    """Give each frame its own segment, position and source, which highdicom lets frames share where they are equal."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for name in OF_FRAMES:
        if name in shared:
            for frame in dataset.PerFrameFunctionalGroupsSequence:
                frame[name] = copy.deepcopy(shared[name])
            del shared[name]


def _check_axes(dataset: Dataset, scan: Scan, source: Path) -> None:
    """Check that new frames, which have the axes of the scan, fit to those that are there."""
    groups = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence[0]
    found = next(group.PlaneOrientationSequence[0] for group in groups if "PlaneOrientationSequence" in group)
    _, column, row = (scan.geometry.affine[:3, :3] / scan.geometry.spacing).T
    if not np.allclose([*row, *column], np.asarray(found.ImageOrientationPatient, float), atol=SAME_AXES):
        axes = [float(value) for value in found.ImageOrientationPatient]
        raise UserError(
            f"{source} has frames along {axes}, not along the rows and columns of the scan, and no frame can be added "
            "to it. Export it with the geometry of the scan."
        )


def _segment_of(frame: Dataset) -> int:
    return int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def _add_segment(dataset: Dataset, key: int, number: int) -> None:
    """Add a segment that is described as another one, but for name and origin."""
    segment = copy.deepcopy(next(one for one in dataset.SegmentSequence if int(one.SegmentNumber) == key))
    segment.SegmentNumber, segment.SegmentLabel = number, name_filled(segment.SegmentLabel)[:64]
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "SEMIAUTOMATIC", "ExplainCT fill"
    for keyword in ("TrackingID", "TrackingUID"):
        if keyword in segment:
            del segment[keyword]
    dataset.SegmentSequence.append(segment)


def _frame(like: Dataset, number: int, scan: Scan | None = None, k: int = 0) -> Dataset:
    """Return the functional groups of a frame of segment `number`, on slice `k` of a scan or where `like` lies."""
    frame = copy.deepcopy(like)
    frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = number
    if scan is not None:
        position = scan.geometry.affine[:3, 3].copy()
        position[2] = scan.z_mm[k]
        frame.PlanePositionSequence[0].ImagePositionPatient = [f"{value:.10g}" for value in position]
        for derivation in frame.get("DerivationImageSequence", []):
            derivation.SourceImageSequence = derivation.SourceImageSequence[:1]
            derivation.SourceImageSequence[0].ReferencedSOPInstanceUID = scan.row["instance_uids"][k]
    return frame


def _refer(dataset: Dataset, scan: Scan) -> None:
    """List the slices of the new frames among the referenced instances."""
    named = {
        str(source.ReferencedSOPInstanceUID)
        for frame in dataset.PerFrameFunctionalGroupsSequence
        for derivation in frame.get("DerivationImageSequence", [])
        for source in derivation.SourceImageSequence
    }
    for series in dataset.get("ReferencedSeriesSequence", []):
        if str(series.SeriesInstanceUID) == scan.series_uid:
            known = {str(one.ReferencedSOPInstanceUID) for one in series.ReferencedInstanceSequence}
            series.ReferencedInstanceSequence.extend(_reference(uid) for uid in sorted(named - known))


def _reference(uid: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CTImageStorage, uid
    return reference


def _index(dataset: Dataset) -> None:
    """Number the frames anew along the dimensions segment and position; other dimensions stay."""
    frames = dataset.PerFrameFunctionalGroupsSequence
    places = [tuple(map(float, one.PlanePositionSequence[0].ImagePositionPatient)) for one in frames]
    order = {place: number for number, place in enumerate(sorted(set(places), key=lambda one: one[::-1]), start=1)}
    pointers = [item.DimensionIndexPointer for item in dataset.get("DimensionIndexSequence", [])]
    for frame, place in zip(frames, places, strict=True):
        values = {Tag("ReferencedSegmentNumber"): _segment_of(frame), Tag("ImagePositionPatient"): order[place]}
        for content in frame.get("FrameContentSequence", []):
            old = np.atleast_1d(content.DimensionIndexValues).tolist()
            content.DimensionIndexValues = [
                values.get(pointer, before) for pointer, before in zip(pointers, old, strict=True)
            ]


def _set_pixels(dataset: Dataset, pixels: Sequence[np.ndarray]) -> None:
    """Set the pixels of all frames [F, H, W], uncompressed."""
    dataset.NumberOfFrames = len(pixels)
    dataset.SegmentsOverlap = "YES"
    packed = pack_bits(pixels) if dataset.BitsAllocated == 1 else pixels.astype(np.uint8).tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
