"""Nodules as images of one size in voxels of 1 mm, centred on the slice of their largest area, and their files."""

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates

from explainct.errors import UserError
from explainct.seeds import numpy_generator

READERS = (3, 4)
"""Numbers of readers with whom a nodule is used: a median of fewer is no consensus, and more are several nodules."""
LARGEST_MM = 44.0
"""Largest extent in-plane in mm: in an image of 64 mm a margin of 10 mm is left."""
SMALLEST_MM2 = 9.0
"""Smallest area in mm2 on the slice of the largest area."""
VOXEL_MM = 1.0
IMAGES = "image"
"""The dataset of images in HDF5 files of nodules: int16 HU [N, D, H, W]."""


def why_left_out(readers: int, consensus: np.ndarray, spacing: tuple[float, float, float]) -> str:
    """Say in a sentence why a nodule is not used; empty if it is.

    Args:
        readers: number of its readers.
        consensus: its voxels, 0 or 1 [K, h, w].
        spacing: voxel size (z, y, x) in mm.
    """
    if readers < READERS[0]:
        return f"It has {readers} reader{'s' if readers > 1 else ''}, too few for a median."
    if readers > READERS[1]:
        return "It has more than four readers: several nodules that cannot be told apart."
    area = consensus.sum(axis=(1, 2)).max() * spacing[1] * spacing[2]
    if area < SMALLEST_MM2:
        return f"Its largest area is below {SMALLEST_MM2:g} mm2."
    extent = max(np.ptp(np.flatnonzero(consensus.any(axis=axes))) + 1 for axes in ((0, 2), (0, 1)))
    if extent * spacing[1] > LARGEST_MM:
        return f"It is larger than {LARGEST_MM:g} mm."
    return ""


def centre_of(consensus: np.ndarray) -> tuple[int, float, float]:
    """Return the slice of the largest area, and the centre (row, column) of the nodule's voxels there, fractional.

    Args:
        consensus: the nodule's voxels, 0 or 1 [K, h, w], not empty.
    """
    k = int(consensus.sum(axis=(1, 2)).argmax())
    i, j = np.argwhere(consensus[k]).mean(axis=0)
    return k, float(i), float(j)


def on_millimetres(
    array: np.ndarray,
    z_mm: np.ndarray,
    pixel_mm: tuple[float, float],
    *,
    centre: tuple[float, float, float],
    shape: tuple[int, int, int],
    outside: float,
) -> np.ndarray:
    """Resample an array linearly to voxels of 1 mm, with a position at the middle voxel of the result.

    Args:
        array: values [K, h, w].
        z_mm: measured position of each slice in mm [K], ascending.
        pixel_mm: size of a pixel (row, column) in mm.
        centre: position (z in mm, row and column as fractional indices) that comes to lie at index `size // 2`.
        shape: voxels of the result [D, H, W].
        outside: value of voxels beyond the array.

    Returns:
        float32 [D, H, W].
    """
    offsets = [np.arange(size) - size // 2 for size in shape]
    wanted_mm = centre[0] + VOXEL_MM * offsets[0]
    # Slices need not be evenly spaced, so z becomes a fractional slice index by their measured positions.
    k = np.interp(wanted_mm, z_mm, np.arange(len(z_mm)), left=-1e6, right=1e6)
    rows, columns = (c + VOXEL_MM * o / mm for c, o, mm in zip(centre[1:], offsets[1:], pixel_mm, strict=True))
    grid = np.meshgrid(k, rows, columns, indexing="ij")
    return map_coordinates(array.astype(np.float32), grid, order=1, mode="constant", cval=outside)


def mask_on_millimetres(
    consensus: np.ndarray,
    z_mm: np.ndarray,
    pixel_mm: tuple[float, float],
    *,
    centre: tuple[float, float, float],
    shape: tuple[int, int, int],
) -> np.ndarray:
    """Resample a nodule's voxels to 1 mm; a voxel is inside from a share of a half. Returns uint8 [D, H, W].

    Args:
        consensus: its voxels, 0 or 1 [K, h, w].
        z_mm: position of each slice in mm [K].
        pixel_mm: size of a pixel (row, column) in mm.
        centre: as of `on_millimetres`.
        shape: voxels of the result [D, H, W].
    """
    # A slice more on both sides, on which nothing is inside: the outer slices then reach half a step outwards.
    step = float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else 2 * VOXEL_MM
    z_mm = np.concatenate([[z_mm[0] - step], z_mm, [z_mm[-1] + step]])
    padded = np.pad(consensus, ((1, 1), (0, 0), (0, 0)))
    return (on_millimetres(padded, z_mm, pixel_mm, centre=centre, shape=shape, outside=0) >= 0.5).astype(np.uint8)


def read_images(nodules_file: Path, rows: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Return images of nodules as float32 [N, 1, D, H, W] in [0, 1].

    Args:
        nodules_file: the HDF5 file of nodules.
        rows: which of its images, ascending [N].
        window: HU that become 0 and 1; values beyond are clipped.

    Raises:
        UserError: the file has fewer images.
    """
    with h5py.File(nodules_file) as file:
        images = file[IMAGES]
        if len(rows) and rows.max() >= len(images):
            raise UserError(
                f"{nodules_file} holds {len(images)} images, but the table of nodules names number {rows.max()}. "
                "Delete both and repeat."
            )
        hu = images[:][rows] if len(rows) > len(images) // 2 else images[rows]
    low, high = window
    return np.clip((hu.astype(np.float32) - low) / (high - low), 0, 1)[:, None]


def nodule_flow(nodules: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Return what was found, left out and kept of the nodules, and what the rule for ties does to their labels.

    Args:
        nodules: a row a nodule of the source, with `reason` (empty where it is used).
        counts: the table of `explainct.data.samples.attributes.label_counts`.

    Returns:
        Columns `unit` (nodules, or the labels of an attribute), `event` (found, lost, kept, changed), `reason` and
        `count`.
    """
    lost = nodules.loc[nodules["reason"] != "", "reason"].value_counts()
    rows: list[tuple[str, str, str, int]] = [("nodules", "found", "", len(nodules))]
    rows += [("nodules", "lost", str(reason), int(count)) for reason, count in lost.items()]
    rows.append(("nodules", "kept", "", int((nodules["reason"] == "").sum())))
    for row in counts.to_dict("records"):
        unit = f"labels of {row['attribute']}"
        rows.append((unit, "found", "", int(row["nodules"])))
        rows.append(
            (unit, "changed", f"They are others with `monitoring.median: {row['other_median']}`.", row["changed"])
        )
    return pd.DataFrame(rows, columns=["unit", "event", "reason", "count"])


def draw_patients(patients: Iterable[str], count: int, *, seed: int) -> set[str]:
    """Draw `count` patients; 0 stands for all of them, and those of a smaller draw are among those of a larger one.

    Args:
        patients: ids, in any order and number.
        count: number of patients.
        seed: seed of the draw.
    """
    names = sorted(set(patients))
    return set(numpy_generator(seed, "nodules", "patients").permutation(names)[: count or None].tolist())
