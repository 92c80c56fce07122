"""Measured lesions as a DICOM structured report (TID 1500), each with its outline on every slice of the scan."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from explainct.data.annotate.formats.polygons import trace
from explainct.data.export.dicom_headers import read_source_headers
from explainct.data.export.formats.filled import FilledMask
from explainct.data.export.formats.identity import EMPTIED, SERIES_NUMBER, new_instance
from explainct.data.ingest.user_scan import Scan
from explainct.runtime.files import replacing

SUM_OF_AREAS = Code("122503", "DCM", "Integration of sum of closed areas on contiguous slices")
"""How volume is measured; DICOM's own words for it are longer than a code may be."""


@dataclass(frozen=True, eq=False)
class MeasuredLesion:
    """A lesion with what was measured of it.

    Attributes:
        name: its name.
        mask: its voxels.
        volume_mm3: sum of its areas times the step between slices.
        long_mm: long axis in its largest slice.
        short_mm: short axis there.
        diameter_mm: mean of the two.
    """

    name: str
    mask: FilledMask
    volume_mm3: float
    long_mm: float
    short_mm: float
    diameter_mm: float


def write_structured_report(lesions: Sequence[MeasuredLesion], scan: Scan, path: Path, *, identity: str) -> None:
    """Write an unverified report of measured lesions that refers to the slices of a DICOM scan.

    The same input gives the same bytes. Intervals are not in it: `lesions.csv` has them.

    Args:
        lesions: the lesions, at least one.
        scan: the DICOM series.
        path: the file to write.
        identity: `copy` takes the patient's name and id over from the scan, `none` keeps nothing of them.
    """
    slices = sorted({k for one in lesions for k in range(one.mask.box.start[0], one.mask.box.stop[0])})
    headers = [read_source_headers(scan.path, scan.row, slice(k, k + 1), "")[0] for k in slices]
    digest = _digest(lesions, headers)
    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=["ExplainCT fill"]), name="ExplainCT fill"
        ),
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=codes.cid100.CTUnspecifiedBodyRegion,
        imaging_measurements=[_group(one, scan, f"{digest} {number}") for number, one in enumerate(lesions)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    dataset = sr.ComprehensiveSR(
        evidence=headers,
        content=report,
        series_instance_uid=generate_uid(entropy_srcs=[digest]),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(entropy_srcs=[digest]),
        instance_number=1,
        manufacturer="ExplainCT",
        is_verified=False,
    )
    first = pydicom.dcmread(scan.path / scan.row["files"][0], stop_before_pixels=True, specific_tags=list(EMPTIED))
    for keyword in EMPTIED:
        setattr(dataset, keyword, first.get(keyword) if identity == "copy" else None)
    _make_repeatable(dataset, digest)
    with replacing(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _digest(lesions: Sequence[MeasuredLesion], headers: Sequence[Dataset]) -> str:
    """Return a hash of all that the report is made of."""
    digest = hashlib.sha256("".join(str(header.SOPInstanceUID) for header in headers).encode())
    for one in lesions:
        digest.update(f"{one.name} {one.mask.box}".encode())
        digest.update(np.packbits(one.mask.mask).tobytes())
    return digest.hexdigest()


def _group(one: MeasuredLesion, scan: Scan, entropy: str) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """Return the measurements of one lesion, and its outlines."""
    mm, mm3 = codes.UCUM.Millimeter, codes.UCUM.CubicMillimeter
    regions = [
        _region(loop, scan.row["instance_uids"][one.mask.box.start[0] + at], one.mask.box.start[1:])
        for at, plane in enumerate(one.mask.mask)
        for loop in trace(plane)
    ]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(entropy_srcs=[entropy]), identifier=one.name),
        referenced_regions=regions,
        finding_type=codes.SCT.Lesion,
        measurements=[
            sr.Measurement(codes.SCT.Volume, round(one.volume_mm3), mm3, method=SUM_OF_AREAS),
            sr.Measurement(codes.SCT.LongAxis, round(one.long_mm, 1), mm),
            sr.Measurement(codes.SCT.ShortAxis, round(one.short_mm, 1), mm),
            sr.Measurement(codes.SCT.Diameter, round(one.diameter_mm, 1), mm, derivation=codes.SCT.Mean),
        ],
    )


def _region(loop: np.ndarray, uid: str, corner: tuple[int, int]) -> sr.ImageRegion:
    """Return a contour (row, column) [N, 2] of a box as a region of an image, whose first pixel's centre is at 0.5."""
    points = (np.vstack([loop, loop[:1]]) + corner + 0.5)[:, ::-1]
    image = sr.SourceImageForRegion("1.2.840.10008.5.1.4.1.1.2", uid)
    return sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, points, image)


def _make_repeatable(dataset: hd.sr.ComprehensiveSR, digest: str) -> None:
    """Replace the clock, by which highdicom dates the report and its content."""
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    new_instance(dataset, digest)
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = dataset.ContentDate, dataset.ContentTime
    if "ObservationDateTime" in dataset:
        dataset.ObservationDateTime = moment
    for equipment in dataset.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = moment
