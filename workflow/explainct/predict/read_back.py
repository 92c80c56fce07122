"""Read a written annotation and compare it with what was filled: what the user opens is what is measured and drawn."""

from pathlib import Path

import numpy as np

from explainct.data.annotate.formats.outlines import Annotation, Outlines
from explainct.data.annotate.formats.read import Reading, read_file
from explainct.data.export.formats.filled import FilledMask, by_key, name_filled, on_scan_slices
from explainct.data.ingest.user_scan import Scan
from explainct.errors import UserError

REUSED = ("nifti", "nrrd")
"""Formats in which a filled lesion may keep the value of the one that was read."""


def read_back(
    annotation: Annotation, lesions: list[FilledMask], scan: Scan, path: Path, reading: Reading
) -> tuple[dict[object, Outlines], list[str]]:
    """Return the filled lesions of a written file by their key in the input, and what is to be said of them.

    Args:
        annotation: what was read.
        lesions: its lesions with their gaps filled.
        scan: the scan.
        path: the file that was written.
        reading: how the input was read.

    Raises:
        UserError: the file holds other pixels than those that were filled.
    """
    whole = Reading(ignore_label=reading.ignore_label, snap=reading.snap)
    found = read_file(path, scan, whole).outlines
    written, notes = {}, []
    for key, parts in by_key(lesions).items():
        name = name_filled(_name(annotation, key))
        one = next((one for one in found if one.lesion == name), None)
        if one is None and annotation.format in REUSED:
            one = next((other for other in found if other.key == key), None)
        if one is not None:
            found = [other for other in found if other is not one]
        planes = on_scan_slices(parts, scan.shape[1:])
        missing = {k: plane & ~_plane(one, k, scan) for k, plane in planes.items()}
        more = any((_plane(one, k, scan) & ~plane).any() for k, plane in planes.items())
        lost = sum(int(plane.sum()) for plane in missing.values())
        if more or (lost and (one is None or one.lesion == name)):
            raise UserError(f"{path} does not hold what was filled of {name!r}. Report it with the input's format.")
        if lost:
            notes.append(
                f"{lost} filled voxels of {_name(annotation, key)!r} belong to another label, and were left to it."
            )
        written[key] = one
    return written, notes


def _name(annotation: Annotation, key: object) -> str:
    """Return what the file calls a lesion: parts of one name have a number behind it."""
    names = [one.lesion for one in annotation.outlines if one.key == key]
    return names[0] if len(names) == 1 else names[0].rsplit(" ", 1)[0]


def _plane(outlines: Outlines | None, k: int, scan: Scan) -> np.ndarray:
    """Return the mask of a slice on the scan [H, W]; empty where the file has none."""
    plane = np.zeros(scan.shape[1:], bool)
    if outlines is not None and k in outlines.slices:
        plane[outlines.box.slices[1:]] = outlines.masks[outlines.slices.tolist().index(k)]
    return plane
