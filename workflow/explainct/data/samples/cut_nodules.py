"""Nodules cut out of the scans of an archive, as images of one size in voxels of 1 mm."""

import logging
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from explainct.data.samples.attributes import ATTRIBUTES, ratings_column
from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.crops import read_scan_crop
from explainct.data.samples.nodules import IMAGES, centre_of, draw_patients, on_millimetres, why_left_out
from explainct.errors import UserError
from explainct.runtime.files import require_space, write_parquet
from explainct.runtime.hdf5 import writing_hdf5
from explainct.runtime.volume import Box

log = logging.getLogger(__name__)

AIR = -1024.0


def cut_nodules(
    *,
    archives: Mapping[str, str],
    series_file: Path,
    lesions_file: Path,
    slices_file: Path,
    nodules_file: Path,
    images_file: Path,
    planes: int,
    size: int,
    patients: int,
    seed: int,
) -> None:
    """Cut the cohort's nodules out of their scans; the files are those of `render_nodules`.

    Args:
        archives: the folder of each archive in the series index.
        series_file: the table `ingest/series.parquet`.
        lesions_file: the table `annotate/lesions.parquet`, with the readers' ratings.
        slices_file: the file `annotate/slices.h5`, with the consensus.
        nodules_file: becomes the table of the cohort's nodules.
        images_file: becomes the HDF5 file of images, int16 HU [N, D, H, W].
        planes: planes D of an image; 1 makes the slice of a nodule's largest area.
        size: rows H and columns W.
        patients: number of patients, drawn by seed; 0 for all.
        seed: seed of that draw.

    Raises:
        UserError: the dataset has no ratings, a file of a scan is missing, or the disk is too small.
    """
    lesions = pd.read_parquet(lesions_file).query("in_cohort and label == 1").sort_values("lesion_id")
    rated = [name for name in map(ratings_column, ATTRIBUTES) if name in lesions and lesions[name].str.len().any()]
    if len(rated) < len(ATTRIBUTES):
        raise UserError(
            f"{lesions_file} has no readers' ratings of attributes, which the archive lidc has. "
            "Set `ingest.archives` to it, or to none for the demo."
        )
    lesions = lesions[lesions["patient_id"].isin(draw_patients(lesions["patient_id"], patients, seed=seed))]
    series = pd.read_parquet(series_file).set_index("series_uid")
    require_space(images_file.parent, 2 * len(lesions) * planes * size**2)
    rows, shape = [], (planes, size, size)
    with h5py.File(slices_file) as source, writing_hdf5(images_file) as file:
        images = file.create_dataset(IMAGES, (0, *shape), np.int16, chunks=(1, *shape), maxshape=(None, *shape))
        for _, lesion in lesions.iterrows():
            mask = source[lesion.lesion_id]["consensus"][:]
            reason = why_left_out(lesion.readers, mask, (lesion.spacing_z, lesion.spacing_y, lesion.spacing_x))
            row = -1 if reason else len(images)
            rows.append({**lesion[["lesion_id", "patient_id", "readers", *rated]], "reason": reason, "row": row})
            if not reason:
                scan = series.loc[lesion.series_uid]
                images.resize(row + 1, axis=0)
                images[row] = cut_nodule(Path(archives[scan.archive]), scan, lesion, mask, shape)
                if row % 200 == 199:
                    log.info("%d nodules cut", row + 1)
    write_parquet(pd.DataFrame(rows), nodules_file)


def cut_nodule(
    folder: Path, scan: pd.Series, lesion: pd.Series, mask: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Return one nodule out of its scan, int16 HU [D, H, W] in voxels of 1 mm; -1024 beyond the scan.

    Args:
        folder: the archive's folder.
        scan: the row of its series in `series.parquet`.
        lesion: its row of `lesions.parquet`.
        mask: its consensus over its box, 0 or 1 [K, h, w].
        shape: voxels of the image [D, H, W].
    """
    return cut_image(folder, scan, np.add(centre_of(mask), lesion_box(lesion).start), shape)


def cut_image(folder: Path, scan: pd.Series, centre: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the image around a place of a scan, int16 HU [D, H, W] in voxels of 1 mm; -1024 beyond the scan.

    Args:
        folder: the archive's folder.
        scan: the row of its series in `series.parquet`.
        centre: index (slice, row, column) of the scan that comes to lie in the middle; row and column are fractional.
        shape: voxels of the image [D, H, W].
    """
    k, i, j = centre
    z_mm, pixel_mm = np.asarray(scan.z_mm), (float(scan.spacing_y), float(scan.spacing_x))
    centre_mm = float(z_mm[int(k)])
    # What the image needs and a voxel more on each side, which the interpolation reads.
    reach = np.ceil(np.array(shape[1:]) / 2 / pixel_mm).astype(int) + 1
    planes = np.flatnonzero(np.abs(z_mm - centre_mm) <= shape[0] / 2 + np.diff(z_mm).max())
    low = np.maximum(np.floor([i, j]).astype(int) - reach, 0)
    high = np.minimum(np.ceil([i, j]).astype(int) + reach + 1, (scan.rows, scan.columns))
    box = Box((int(planes[0]), *low.tolist()), (int(planes[-1]) + 1, *high.tolist()))
    hu = on_millimetres(
        read_scan_crop(folder, scan, box),
        z_mm[planes],
        pixel_mm,
        centre=(centre_mm, i - low[0], j - low[1]),
        shape=shape,
        outside=AIR,
    )
    return np.rint(hu).astype(np.int16)
