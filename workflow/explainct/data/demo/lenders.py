"""Which LIDC patients the demo borrows a lesion from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explainct.data.annotate.clustering import cluster_annotations
from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_database import Annotation, Database, Scan
from explainct.data.ingest.dicom_geometry_checks import STEP_TOLERANCE
from explainct.data.samples.blocks import block_box, covering, neighbours
from explainct.errors import UserError
from explainct.runtime.volume import Box
from explainct.seeds import numpy_generator

REAL_PATIENT = "LIDC-IDRI-0001"
SIZE = 512
"""Rows and columns of every scan in LIDC."""
READERS = (3, 4)
LARGEST_MM = 40.0


@dataclass(frozen=True)
class Subject:
    """A patient whose lesion is rendered.

    Attributes:
        scan: the patient's first scan.
        readers: the annotations of the lesion.
        mask: consensus uint8 [K, h, w] over the box `lesion`.
        lesion: union box of the readers' contours, in indices of the scan.
        block: the lesion's block.
        around: the box of the block and its 26 neighbours.
    """

    scan: Scan
    readers: tuple[Annotation, ...]
    mask: np.ndarray
    lesion: Box
    block: Box
    around: Box

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size (z, y, x) in mm."""
        return scan_spacing(self.scan)


def scan_spacing(scan: Scan) -> tuple[float, float, float]:
    """Return the voxel size (z, y, x) in mm in which the demo draws a scan; z is the median step of its slices."""
    return float(np.median(np.diff(scan.z_mm))), scan.pixel_spacing, scan.pixel_spacing


def choose_subjects(database: Database, *, patients: int, slices: int, margin_mm: float, seed: int) -> list[Subject]:
    """Draw `patients` LIDC patients with a lesion that suits the demo, in order of their ids.

    Args:
        database: LIDC's contours.
        patients: number of patients.
        slices: least number of slices with a consensus, at least 1.
        margin_mm: margin around a lesion's box in mm.
        seed: seed of the draw.

    Raises:
        UserError: fewer patients suit the demo.
    """
    first_scans: dict[str, Scan] = {}
    for scan in database.scans:
        first_scans.setdefault(scan.patient_id, scan)
    scans = [scan for patient, scan in sorted(first_scans.items()) if patient != REAL_PATIENT]
    chosen: list[Subject] = []
    for index in numpy_generator(seed, "demo", "patients").permutation(len(scans)):
        if len(chosen) == patients:
            break
        scan = scans[index]
        if subject := find_subject(
            scan, database.annotations.get(scan.scan_id, ()), slices=slices, margin_mm=margin_mm
        ):
            chosen.append(subject)
    if len(chosen) < patients:
        raise UserError(
            f"Setting `ingest.demo_patients` is {patients}, but only {len(chosen)} LIDC patients suit the demo, with "
            f"a lesion of {slices} slices or more. Set it to at most {len(chosen)}, or lower `ingest.demo_slices`."
        )
    return sorted(chosen, key=lambda subject: subject.scan.patient_id)


def find_subject(scan: Scan, annotations: Sequence[Annotation], *, slices: int, margin_mm: float) -> Subject | None:
    """Return the scan's first lesion that suits the demo, or None.

    It has 3 or 4 readers, a consensus on enough slices and at most 40 mm in every direction; its 26 neighbouring
    blocks lie in the scan, and no other lesion lies wholly within their slices, where it would have no image.

    Args:
        scan: the scan.
        annotations: all of its annotations.
        slices: least number of slices with a consensus, at least 1.
        margin_mm: margin around the lesion's box in mm.
    """
    step = scan_spacing(scan)[0]
    if not annotations or np.abs(np.diff(scan.z_mm) - step).max() > STEP_TOLERANCE * step:
        return None
    clusters = cluster_annotations(annotations, scan.slice_thickness)
    shape = (len(scan.z_mm), SIZE, SIZE)
    for cluster in clusters:
        if len(cluster) not in READERS:
            continue
        masks, lesion = reader_masks(cluster, scan)
        mask = consensus(masks, 0.5)
        if mask.any(axis=(1, 2)).sum() < slices or max(np.multiply(lesion.shape, scan_spacing(scan))) > LARGEST_MM:
            continue
        block = block_box(lesion, scan_spacing(scan), margin_mm, shape)
        boxes = list(neighbours(block, shape).values())
        around = covering([block, *boxes])
        others = [other for other in clusters if other is not cluster]
        if len(boxes) == 26 and not any(_lies_within(other, around) for other in others):
            return Subject(scan, cluster, mask, lesion, block, around)
    return None


def _lies_within(cluster: Sequence[Annotation], box: Box) -> bool:
    """Tell whether all contours of a lesion lie on slices of the box."""
    ks = [contour.k for annotation in cluster for contour in annotation.contours]
    return box.start[0] <= min(ks) and max(ks) < box.stop[0]
