"""Outlines in a DICOM RT structure set, read with the pixel-centre rule on the slices of the scan that it names."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from explainct.data.annotate.formats.contours import Contour, outline_lesion
from explainct.data.annotate.formats.outlines import Annotation
from explainct.data.annotate.formats.references import check_reference
from explainct.data.ingest.user_scan import Scan
from explainct.data.ingest.walk import printable
from explainct.errors import UserError

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


def read_rtstruct(path: Path, scan: Scan, *, roi: str, snap: bool) -> Annotation:
    """Read the regions of a structure set that have closed contours; all others are noted.

    The place of a contour follows from its points; references to single images are not looked at, since they may be
    missing or wrong.

    Args:
        path: the file.
        scan: the scan that it was drawn on.
        roi: regular expression of the names of the regions to read.
        snap: take the nearest slice for a contour that lies off the slices.

    Raises:
        UserError: it was drawn on another scan, a contour lies off the slices, or its points are not whole.
    """
    dataset = pydicom.dcmread(path)
    notes = check_reference(path, scan, series_uids=referenced_series(dataset), frame_uids=_frames(dataset))
    regions = {int(region.ROINumber): region for region in dataset.get("StructureSetROISequence", [])}
    outlines = []
    for item in dataset.get("ROIContourSequence", []):
        number = int(item.ReferencedROINumber)
        region = regions.get(number, Dataset())
        name = str(region.get("ROIName", "")).strip() or f"ROI {number}"
        if not re.search(roi, name):
            continue
        where = f"ROI {name!r} (number {number}) of {printable(path)}"
        frame = str(region.get("ReferencedFrameOfReferenceUID", "") or scan.frame_uid)
        if frame != scan.frame_uid:
            raise UserError(
                f"{where} lies in the frame of reference {frame}, the scan in {scan.frame_uid}. Give the scan that it "
                "was drawn on, or name the regions to read under `roi`."
            )
        contours = list(_closed(item, where, notes))
        found, said = outline_lesion(name, contours, scan, snap=snap, where=where, key=number)
        notes += said
        if found is not None:
            outlines.append(found)
        elif contours:
            notes.append(f"{where} holds no pixel, and was left out.")
    return Annotation(path, "rtstruct", outlines, notes)


def _closed(item: Dataset, where: str, notes: list[str]) -> Iterator[Contour]:
    """Yield the closed contours of a region; contours of other types are noted."""
    others: dict[str, int] = {}
    for contour in item.get("ContourSequence", []):
        kind = str(contour.get("ContourGeometricType", ""))
        if kind not in CLOSED:
            others[kind or "none"] = others.get(kind or "none", 0) + 1
            continue
        values = np.asarray(contour.get("ContourData") or [], np.float64)
        if not len(values) or len(values) % 3 or not np.isfinite(values).all():
            raise UserError(f"{where} has a contour of {len(values)} numbers; three for each point were expected.")
        yield Contour(values.reshape(-1, 3), exclusive=kind == CLOSED[1])
    for kind, count in others.items():
        notes.append(f"{where} has {count} contours of the type {kind}, which hold no area, and were left out.")


def referenced_series(dataset: Dataset) -> set[str]:
    """Return the UIDs of the series that a structure set names."""
    return {
        str(series.SeriesInstanceUID)
        for frame in dataset.get("ReferencedFrameOfReferenceSequence", [])
        for study in frame.get("RTReferencedStudySequence", [])
        for series in study.get("RTReferencedSeriesSequence", [])
    }


def _frames(dataset: Dataset) -> set[str]:
    """Return the UIDs of the frames of reference that a structure set or one of its regions names."""
    items = [*dataset.get("ReferencedFrameOfReferenceSequence", []), dataset]
    found = {str(item.get("FrameOfReferenceUID", "")) for item in items}
    found |= {str(roi.get("ReferencedFrameOfReferenceUID", "")) for roi in dataset.get("StructureSetROISequence", [])}
    return found - {""}
