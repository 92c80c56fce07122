"""Masks as a DICOM segmentation that refers to the slices it was drawn on."""

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import highdicom
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues as Origin
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from explainct.runtime.files import replacing
from explainct.runtime.volume import Box

# It reports every group of elements that it copies.
logging.getLogger("highdicom").setLevel(logging.WARNING)

VERSION = "0.1.0"
"""Version of this project, as in pyproject.toml."""

SERIES_NUMBER = 100
"""Lists the segmentations behind the images of their study."""


@dataclass(frozen=True)
class Segment:
    """One mask of a segmentation.

    Attributes:
        label: what the viewer shows.
        mask: 0 or 1, uint8 [K, h, w].
        box: where the mask lies, in indices of the series.
        origin: drawn by hand, or made with an algorithm, wholly or in part.
        method: name of the algorithm; empty for a mask drawn by hand.
        family: kind of the algorithm (DICOM's context group 7162).
    """

    label: str
    mask: np.ndarray
    box: Box
    origin: Origin = Origin.MANUAL
    method: str = ""
    family: Code = codes.cid7162.ManualProcessing


def write_segmentation(
    segments: Sequence[Segment], headers: Sequence[Dataset], *, first: int, lesion_id: str, path: Path
) -> None:
    """Write masks of one lung lesion as a binary DICOM segmentation, one segment each.

    The same masks on the same slices give the same bytes, other masks another instance UID. Dates are those of
    SOURCE_DATE_EPOCH.

    Args:
        segments: the masks, inside the slices of `headers`.
        headers: the slices' headers, z ascending (see `read_source_headers`).
        first: index of the first of these slices in its series.
        lesion_id: names the segmentation.
        path: the file to write.
    """
    frames = _frames(segments, headers, first)
    entropy = [lesion_id, *(header.SOPInstanceUID for header in headers), hashlib.sha256(frames).hexdigest()]
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    dataset = Segmentation(
        source_images=headers,
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(number, segment) for number, segment in enumerate(segments, start=1)],
        series_instance_uid=generate_uid(entropy_srcs=[*entropy, "series"]),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(entropy_srcs=[*entropy, "instance"]),
        instance_number=1,
        manufacturer="DUE",
        manufacturer_model_name="DUE",
        software_versions=VERSION,
        device_serial_number="0",
        content_label="LESION",
        content_description=lesion_id,
        series_description=lesion_id,
        content_date=moment.date(),
        content_time=moment.time(),
    )
    _make_repeatable(dataset, moment, generate_uid(entropy_srcs=[*entropy, "dimensions"]))
    with replacing(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _frames(segments: Sequence[Segment], headers: Sequence[Dataset], first: int) -> np.ndarray:
    """Return the masks at their places in whole slices, uint8 [K, Rows, Columns, S]."""
    frames = np.zeros((len(headers), headers[0].Rows, headers[0].Columns, len(segments)), np.uint8)
    for number, segment in enumerate(segments):
        frames[(*segment.box.shifted((-first, 0, 0)).slices, number)] = segment.mask
    return frames


def _description(number: int, segment: Segment) -> SegmentDescription:
    algorithm = None
    if segment.method:
        algorithm = highdicom.AlgorithmIdentificationSequence(segment.method, segment.family, VERSION)
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Nodule,
        algorithm_type=segment.origin,
        algorithm_identification=algorithm,
        anatomic_regions=[codes.SCT.Lung],
    )


def _make_repeatable(dataset: Segmentation, moment: datetime, dimensions_uid: str) -> None:
    """Replace the clock and the random UID that highdicom leaves no argument for."""
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = dataset.ContentDate, dataset.ContentTime
    for equipment in dataset.ContributingEquipmentSequence:
        equipment.ContributionDateTime = moment
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions_uid
