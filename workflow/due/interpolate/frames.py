"""Frames: annotated slices of a lesion's block, resampled in-plane to one small size for the interpolator."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from torch.nn.functional import interpolate

from due.cases.grid import block_of, paste
from due.errors import DueError


@dataclass(frozen=True, eq=False)
class LesionFrames:
    """The annotated slices of one lesion as frames.

    Attributes:
        lesion_id: name of the lesion.
        frames: share of annotation per pixel, float32 [A, S, S] in [0, 1], z ascending.
        z_mm: position of each frame, float64 [A] in mm, ascending.
        pixel_mm: mean in-plane distance between pixels of a frame in mm.
        patient_id: whose lesion it is.
    """

    lesion_id: str
    frames: np.ndarray
    z_mm: np.ndarray
    pixel_mm: float
    patient_id: str


def training_lesions(lesions: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return the lesions that may teach: those of patients who are neither validation nor test patients.

    Contours need no image, so patients outside the cohort count too.

    Args:
        lesions: the table `annotate/lesions.parquet`.
        splits: the table `cases/splits.parquet`.
    """
    held_out = splits.loc[splits["split"].isin(["validation", "test"]), "patient_id"]
    return lesions[(lesions["label"] == 1) & ~lesions["patient_id"].isin(held_out)]


def load_frames(*, lesions: pd.DataFrame, slices_file: Path, margin_mm: float, size: int) -> list[LesionFrames]:
    """Return the annotated slices of `lesions` as frames, ordered by lesion; slices kept as truth are not read.

    A frame covers the lesion's block in-plane and is resampled bilinearly with corners aligned, like the network's
    grid: resampling it again with corners aligned puts it on the grid.

    Args:
        lesions: rows of the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        margin_mm: margin of the block in mm.
        size: edge of a frame in pixels, S.

    Raises:
        DueError: the file of slices lacks one of the lesions.
    """
    with h5py.File(slices_file) as file:
        ordered = lesions.sort_values("lesion_id")
        return [_lesion_frames(file, lesion, margin_mm, size) for _, lesion in ordered.iterrows()]


def _lesion_frames(file: h5py.File, lesion: pd.Series, margin_mm: float, size: int) -> LesionFrames:
    if lesion.lesion_id not in file:
        raise DueError(
            f"{file.filename} has no slices of lesion {lesion.lesion_id}, which the table of lesions lists. "
            "Delete both files and run the workflow again."
        )
    group = file[lesion.lesion_id]
    annotated = np.flatnonzero(group["annotated"][:])
    block = block_of(lesion, margin_mm)
    mask = paste(group["consensus"][:], lesion, block)[annotated + int(lesion.k_start) - block.start[0]]
    edges_mm = [
        max(pixels - 1, 1) * float(spacing)
        for pixels, spacing in zip(mask.shape[1:], (lesion.spacing_y, lesion.spacing_x), strict=True)
    ]
    return LesionFrames(
        lesion_id=lesion.lesion_id,
        frames=_resample(mask, size),
        z_mm=group["z_mm"][:][annotated],
        pixel_mm=float(np.mean(edges_mm)) / (size - 1),
        patient_id=lesion.patient_id,
    )


def _resample(mask: np.ndarray, size: int) -> np.ndarray:
    """Return a mask [A, H, W] as frames, float32 [A, S, S] in [0, 1]."""
    if not len(mask):
        return np.zeros((0, size, size), np.float32)
    source = torch.from_numpy(mask).float()[:, None]
    frames = interpolate(source, (size, size), mode="bilinear", align_corners=True)[:, 0]
    # Rounding may leave the range by one bit.
    return frames.clamp(0, 1).numpy()
