"""Values of a label map, NIfTI or NRRD, on the slices of the scan."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from explainct.data.annotate.formats.outlines import Annotation, Outlines, gather
from explainct.data.ingest.nifti_checks import find_problem
from explainct.data.ingest.nifti_io import NiftiVolume
from explainct.data.ingest.user_scan import UNSURE_VOXELS, MisplacedError, Scan, lay_on
from explainct.data.ingest.walk import printable
from explainct.errors import UserError
from explainct.runtime.volume import Box

MOST_VALUES = 100
"""Label maps with more values are images."""

BACKGROUND_SHARE = 0.5
"""Share of a slice from which on a value is not taken for a lesion."""


def read_nifti_labels(path: Path, scan: Scan, *, roi: str, ignore_label: int | None) -> Annotation:
    """Read each value of a NIfTI label map as one name, `label 1` and so on.

    A slice is annotated where it holds a voxel of the value, or, with an ignore label, where it does not hold that one.

    Args:
        path: the file.
        scan: the scan.
        roi: regular expression of the names to read.
        ignore_label: value that marks slices without annotation.

    Raises:
        UserError: the file is damaged, lies off the scan, or its values are no labels.
    """
    if problem := find_problem(path.parent, Path(path.name)):
        raise UserError(f"Label map {printable(path)} {problem}.")
    volume = NiftiVolume(path)
    values = volume.read(Box((0, 0, 0), volume.geometry.shape), partial(_whole, path), np.int16)
    labels, notes = on_scan(values, volume.geometry.affine, scan, path)
    names = {value: f"label {value}" for value in label_values(labels, path)}
    outlines, said = outline_values(labels, names, roi=roi, ignore_label=ignore_label, where=printable(path))
    return Annotation(path, "nifti", outlines, notes + said)


def on_scan(values: np.ndarray, affine: np.ndarray, scan: Scan, path: Path) -> tuple[np.ndarray, list[str]]:
    """Return a label map on the voxels of the scan, int16 [D, H, W], and what is to be said of it.

    Args:
        values: the voxels of the file, whole numbers, along any three axes.
        affine: 4 x 4, takes an index of `values` to the patient position in mm, LPS.
        scan: the scan.
        path: the file.

    Raises:
        UserError: it lies off the voxels of the scan, or reaches beyond it with a label.
    """
    try:
        laid, start, off = lay_on(values, affine, scan)
    except MisplacedError as problem:
        raise UserError(
            f"Label map {printable(path)} {problem}. Nothing is flipped, moved or resampled by guess: export it on the "
            "grid of the scan."
        ) from None
    box = Box(start, tuple(np.add(start, laid.shape).tolist()))
    common = box.overlap(Box((0, 0, 0), scan.shape))
    inside = laid[common.seen_from(box).slices]
    if np.count_nonzero(inside) != np.count_nonzero(laid):
        raise UserError(f"Label map {printable(path)} has labels beyond the {scan.shape} voxels of the scan.")
    labels = np.zeros(scan.shape, np.int16)
    labels[common.slices] = inside
    noted = [f"{printable(path)} lies {off:.2f} voxels off the grid of the scan, and was taken as lying on it."]
    return labels, noted if off > UNSURE_VOXELS else []


def outline_values(
    labels: np.ndarray, names: Mapping[int, str], *, roi: str, ignore_label: int | None, where: str
) -> tuple[list[Outlines], list[str]]:
    """Return the outlines of each value, and what was left out.

    Args:
        labels: the label map [D, H, W].
        names: name of each value that is a lesion's.
        roi: regular expression of the names to read.
        ignore_label: value that marks slices without annotation; None: slices without a voxel of a value are unknown.
        where: what a message calls the label map.

    Raises:
        UserError: a slice holds both a lesion and the ignore label, or a value is no lesion's.
    """
    outlines, notes = [], []
    ignored = np.zeros(len(labels), bool) if ignore_label is None else (labels == ignore_label).any((1, 2))
    for value, name in names.items():
        if value == ignore_label or not re.search(roi, name):
            continue
        held = labels == value
        shares = held.mean((1, 2))
        if shares.max(initial=0) > BACKGROUND_SHARE:
            raise UserError(
                f"{where}: the value {value} fills {shares.max():.0%} of slice {int(shares.argmax()) + 1}, which is no "
                f"lesion. If it marks what is not annotated, set `ignore_label: {value}`; else name the regions to "
                "read under `roi`."
            )
        if (both := held.any((1, 2)) & ignored).any():
            raise UserError(
                f"{where}: slice {int(both.argmax()) + 1} holds the value {value} and the ignore label {ignore_label}; "
                "a slice is annotated as a whole or not at all. Mark the rest of it as background."
            )
        known = held.any((1, 2)) if ignore_label is None else ~ignored
        found = gather(name, {int(k): held[k] for k in np.flatnonzero(known)}, value)
        if found is None:
            notes.append(f"{where}: {name!r} holds no voxel, and was left out.")
        else:
            outlines.append(found)
    return outlines, notes


def _whole(path: Path, plane: np.ndarray) -> np.ndarray:
    """Return the values of a plane, which must be whole numbers that int16 holds."""
    strange = plane[(plane != np.rint(plane)) | (np.abs(plane) > np.iinfo(np.int16).max)]
    if strange.size:
        raise UserError(
            f"Label map {printable(path)} holds the value {strange.flat[0]:g}; whole numbers were expected."
        )
    return plane


def label_values(labels: np.ndarray, path: Path) -> list[int]:
    """Return the values of a label map but for 0, ascending.

    Args:
        labels: the label map.
        path: the file.

    Raises:
        UserError: it holds negative values, or too many for labels.
    """
    values = np.unique(labels)
    if len(values) > MOST_VALUES or values[0] < 0:
        raise UserError(
            f"Label map {printable(path)} holds {len(values)} values from {values[0]} to {values[-1]}; at most "
            f"{MOST_VALUES} labels from 0 up were expected. It looks like an image."
        )
    return [int(value) for value in values if value]
