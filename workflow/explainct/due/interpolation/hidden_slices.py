"""Load nodules with known slices, from the contour database alone, and hide some of their slices."""

from dataclasses import dataclass

import numpy as np

from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_database import Database
from explainct.data.annotate.lidc_scans import cluster_scans

READERS = (3, 4)
"""Numbers of readers of the nodules that are studied: with two, a consensus of one half is the union."""

LEVEL = 0.5
PAD = 4
"""Pixels around the readers' outlines, so that a filled slice that grows or moves is not cut off."""


@dataclass(frozen=True, eq=False)
class Nodule:
    """A nodule whose consensus is known on every slice from its first to its last.

    Attributes:
        lesion_id: as in `annotate/lesions.parquet`.
        patient_id: whose nodule it is.
        masks: consensus, bool [K, h, w], no slice empty.
        readers: what each reader outlined, bool [R, K, h, w].
        z_mm: position of each slice in mm [K], ascending.
        pixel_mm: in-plane size of a pixel in mm.
    """

    lesion_id: str
    patient_id: str
    masks: np.ndarray
    readers: np.ndarray
    z_mm: np.ndarray
    pixel_mm: float


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A nodule of which only some slices are shown.

    Attributes:
        nodule: the nodule.
        kept: numbers of the slices that are shown, int [A], ascending.
        hidden: numbers of the slices to fill in, int [M], each between two kept ones.
    """

    nodule: Nodule
    kept: np.ndarray
    hidden: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """The hidden slices, bool [M, h, w]."""
        return self.nodule.masks[self.hidden]

    @property
    def distance_mm(self) -> np.ndarray:
        """Distance of each hidden slice to the nearest kept one in mm [M]."""
        z = self.nodule.z_mm
        return np.abs(z[self.hidden][:, None] - z[self.kept]).min(axis=1)


def load_nodules(database: Database) -> list[Nodule]:
    """Return all nodules of 3 or 4 readers whose 50 % consensus skips no slice, in the order of the database."""
    lesions = cluster_scans(database)
    nodules = []
    for scan in database.scans:
        for number, lesion in enumerate(lesions[scan.scan_id]):
            if len(lesion) not in READERS:
                continue
            readers, box = reader_masks(lesion, scan)
            masks = consensus(readers, LEVEL).astype(bool)
            filled = np.flatnonzero(masks.any(axis=(1, 2)))
            if len(filled) != filled[-1] - filled[0] + 1:
                continue
            margin = ((0, 0), (PAD, PAD), (PAD, PAD))
            nodules.append(
                Nodule(
                    lesion_id=f"{scan.patient_id}-s{scan.scan_id}-n{number}",
                    patient_id=scan.patient_id,
                    masks=np.pad(masks[filled], margin),
                    readers=np.pad(np.asarray(readers, bool)[:, filled], ((0, 0), *margin)),
                    z_mm=scan.z_mm[box.start[0] + filled],
                    pixel_mm=scan.pixel_spacing,
                )
            )
    return nodules


def hold_out(nodule: Nodule, every: int) -> HeldOut | None:
    """Keep slices 0, `every`, 2 `every`, ... and hide those between; None where there is nothing to hide.

    Slices after the last kept one are left out, since they lie between no two.
    """
    kept = np.arange(0, len(nodule.masks), every)
    if len(kept) < 2:
        return None
    hidden = np.setdiff1d(np.arange(kept[-1]), kept)
    return HeldOut(nodule, kept, hidden)
