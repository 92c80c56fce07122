"""Segments of a DICOM segmentation on the slices of the scan: a frame that is absent says nothing about its slice."""

import re
from collections.abc import Iterator
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentationTypeValues as Kind
from nibabel.affines import from_matvec
from pydicom.dataset import Dataset

from explainct.data.annotate.formats.outlines import Annotation, gather
from explainct.data.annotate.formats.references import check_reference
from explainct.data.ingest.user_scan import MisplacedError, Scan, lay_on
from explainct.data.ingest.walk import printable
from explainct.errors import UserError

INSIDE = 0.5
"""Share of the largest value from which a voxel of a fractional segmentation counts as inside."""


def read_seg(path: Path, scan: Scan, *, roi: str) -> Annotation:
    """Read the segments of a segmentation, each on the slices that have a frame of it.

    A frame that is stored without a voxel says that its slice is empty.

    Args:
        path: the file.
        scan: the scan that it was drawn on.
        roi: regular expression of the labels of the segments to read.

    Raises:
        UserError: it was drawn on another scan, a frame lies on none of its slices, or it is of the type LABELMAP.
    """
    segmentation = hd.seg.segread(path)
    series = [str(item.SeriesInstanceUID) for item in segmentation.get("ReferencedSeriesSequence", [])]
    frame = str(segmentation.get("FrameOfReferenceUID", ""))
    notes = check_reference(path, scan, series_uids=set(series), frame_uids={frame} - {""})
    kind = Kind(segmentation.SegmentationType)
    if kind == Kind.LABELMAP:
        raise UserError(
            f"{printable(path)} is a segmentation of the type LABELMAP, whose frames do not say which segments are "
            "annotated on them. Export it as BINARY."
        )
    if kind == Kind.FRACTIONAL:
        notes.append(f"{printable(path)} is fractional: voxels from {INSIDE:g} of the largest value on were taken.")
    planes: dict[int, dict[int, np.ndarray]] = {}
    for number, k, mask in _frames(segmentation, kind, scan, path):
        of_segment = planes.setdefault(number, {})
        of_segment[k] = of_segment[k] | mask if k in of_segment else mask
    outlines = []
    for number in segmentation.segment_numbers:
        name = segmentation.get_segment_description(number).segment_label.strip() or f"segment {number}"
        if not re.search(roi, name):
            continue
        found = gather(name, planes.get(number, {}), int(number))
        if found is None:
            notes.append(f"Segment {name!r} of {printable(path)} holds no voxel, and was left out.")
        else:
            outlines.append(found)
    return Annotation(path, "seg", outlines, notes)


def _frames(
    segmentation: hd.seg.Segmentation, kind: Kind, scan: Scan, path: Path
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield segment, slice of the scan and mask [H, W] of each frame."""
    pixels = np.atleast_3d(segmentation.pixel_array)
    pixels = pixels.reshape(-1, segmentation.Rows, segmentation.Columns)
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    for number, (own, frame) in enumerate(zip(segmentation.PerFrameFunctionalGroupsSequence, pixels, strict=True), 1):
        where = f"Frame {number} of {printable(path)}"
        plane, k = _on_slice(frame, _affine(own, shared), scan, where)
        _check_source(own, scan, k, where)
        segment = int(_group(own, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        largest = int(segmentation.get("MaximumFractionalValue", 1)) if kind == Kind.FRACTIONAL else 1
        yield segment, k, plane >= INSIDE * largest


def _group(own: Dataset, shared: Dataset, name: str) -> Dataset:
    """Return the elements of a functional group, which a frame has itself or shares with all others."""
    return (own if name in own else shared)[name].value[0]


def _affine(own: Dataset, shared: Dataset) -> np.ndarray:
    """Return the affine [4, 4] of a frame seen as an array [1, H, W], LPS mm."""
    position, orientation, measures = (
        _group(own, shared, name)
        for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    )
    row, column = np.reshape([float(value) for value in orientation.ImageOrientationPatient], (2, 3))
    between_rows, between_columns = (float(value) for value in measures.PixelSpacing)
    axes = np.column_stack([np.cross(row, column), column * between_rows, row * between_columns])
    return from_matvec(axes, [float(value) for value in position.ImagePositionPatient])


def _on_slice(frame: np.ndarray, affine: np.ndarray, scan: Scan, where: str) -> tuple[np.ndarray, int]:
    """Return a frame on the rows and columns of the scan [H, W], and its slice."""
    k, off = scan.slice_at(affine[2, 3])
    if off > 0.2:
        raise UserError(
            f"{where} lies at z = {affine[2, 3]:.4g} mm, {off * scan.row['spacing_z']:.3g} mm off the nearest slice of "
            "the scan. Give the scan that it was drawn on."
        )
    # A frame has no thickness: it is laid on its slice exactly, so that only rows and columns are compared.
    thick = affine.copy()
    thick[:3, 0] *= scan.row["spacing_z"]
    thick[2, 3] = scan.geometry.affine[2, 3] + k * scan.geometry.affine[2, 0]
    try:
        laid, start, _ = lay_on(frame[None], thick, scan)
    except MisplacedError as problem:
        raise UserError(f"{where} {problem}. Give the scan that it was drawn on.") from None
    if start[1:] != (0, 0) or laid.shape[1:] != scan.shape[1:]:
        size = " x ".join(map(str, laid.shape[1:]))
        raise UserError(f"{where} has {size} pixels from {start[1:]} on, the scan {scan.shape[1]} x {scan.shape[2]}.")
    return laid[0], k


def _check_source(own: Dataset, scan: Scan, k: int, where: str) -> None:
    """Check that a frame does not name another slice of the scan than the one on which it lies."""
    named = [
        str(source.ReferencedSOPInstanceUID)
        for derivation in own.get("DerivationImageSequence", [])
        for source in derivation.get("SourceImageSequence", [])
    ]
    others = [uid for uid in named if uid in scan.row["instance_uids"]]
    if others and scan.row["instance_uids"][k] not in others:
        other = list(scan.row["instance_uids"]).index(others[0])
        away = abs(scan.z_mm[other] - scan.z_mm[k])
        raise UserError(
            f"{where} lies on slice {k + 1} of the scan, but names slice {other + 1}, {away:.3g} mm away, as its "
            "source. Which of the two is right cannot be known: write the segmentation anew."
        )
