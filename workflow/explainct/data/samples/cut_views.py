"""Views of nodules cut out of the scans of an archive, with their masks, for malignancy."""

import logging
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from explainct.data.samples.attributes import RATED, ratings_column
from explainct.data.samples.blocks import lesion_box
from explainct.data.samples.cut_nodules import cut_image
from explainct.data.samples.nodules import draw_patients, mask_on_millimetres
from explainct.data.samples.views import extent_mm, view_slices, why_without_views, writing_views
from explainct.errors import UserError
from explainct.runtime.files import require_space, write_parquet
from explainct.seeds import numpy_generator

log = logging.getLogger(__name__)

JITTER_MM = 3
"""How far at most a nodule's centre lies from the image's, in-plane, in whole mm."""


def cut_views(
    *,
    archives: Mapping[str, str],
    series_file: Path,
    lesions_file: Path,
    slices_file: Path,
    nodules_file: Path,
    views_file: Path,
    size: int,
    views: int,
    patients: int,
    seed: int,
) -> None:
    """Cut views of the cohort's nodules out of their scans; the files are those of `render_views`.

    Args:
        archives: the folder of each archive in the series index.
        series_file: the table `ingest/series.parquet`.
        lesions_file: the table `annotate/lesions.parquet`, with the readers' ratings.
        slices_file: the file `annotate/slices.h5`, with the consensus.
        nodules_file: becomes the table of the cohort's nodules.
        views_file: becomes the HDF5 file of images, int16 HU, and masks, both [N, 1, H, W].
        size: rows H and columns W; beyond the scan an image is air, so 400 holds a whole slice, as published.
        views: views of a nodule.
        patients: number of patients, drawn by seed; 0 for all.
        seed: decides on patients, slices and jitter.

    Raises:
        UserError: the dataset has no ratings, a file of a scan is missing, or the disk is too small.
    """
    lesions = pd.read_parquet(lesions_file).query("in_cohort and label == 1").sort_values("lesion_id")
    rated = [name for name in map(ratings_column, RATED) if name in lesions and lesions[name].str.len().any()]
    if len(rated) < len(RATED):
        raise UserError(
            f"{lesions_file} has no readers' ratings of attributes and malignancy, which the archive lidc has. "
            "Set `ingest.archives` to it, or to none for the demo."
        )
    lesions = lesions[lesions["patient_id"].isin(draw_patients(lesions["patient_id"], patients, seed=seed))]
    series = pd.read_parquet(series_file).set_index("series_uid")
    require_space(views_file.parent, 3 * views * len(lesions) * size**2)
    rows, shape = [], (1, size, size)
    with h5py.File(slices_file) as source, writing_views(views_file, shape) as writer:
        for _, lesion in lesions.iterrows():
            mask = source[lesion.lesion_id]["consensus"][:]
            spacing = (lesion.spacing_z, lesion.spacing_y, lesion.spacing_x)
            reason = why_without_views(lesion.readers, mask, spacing)
            about = {**lesion[["lesion_id", "patient_id", "readers", *rated]]}
            about |= {"extent_mm": extent_mm(mask, spacing), "slices": int(mask.any(axis=(1, 2)).sum())}
            rows.append(about | {"reason": reason, "row": -1 if reason else len(writer)})
            if not reason:
                scan = series.loc[lesion.series_uid]
                generator = numpy_generator(seed, "view slices", lesion.lesion_id)
                for centre in view_slices(mask, views, generator):
                    jitter = generator.integers(-JITTER_MM, JITTER_MM + 1, 2)
                    writer.append(*cut_view(Path(archives[scan.archive]), scan, lesion, mask, centre, jitter, shape))
    log.info("%d views of %d nodules", sum(not row["reason"] for row in rows) * views, len(rows))
    write_parquet(pd.DataFrame(rows), nodules_file)


def cut_view(
    folder: Path,
    scan: pd.Series,
    lesion: pd.Series,
    mask: np.ndarray,
    centre: tuple[int, float, float],
    jitter: np.ndarray,
    shape: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image out of a scan around a nodule, int16 HU, and the nodule's voxels, uint8; both [D, H, W].

    Args:
        folder: the archive's folder.
        scan: the row of its series in `series.parquet`.
        lesion: the nodule's row of `lesions.parquet`.
        mask: its consensus over its box, 0 or 1 [K, h, w].
        centre: index (slice, row, column) in the box that comes to lie near the middle.
        jitter: rows and columns in mm by which it lies off the middle.
        shape: voxels of the image [D, H, W].
    """
    box, pixel_mm = lesion_box(lesion), (float(scan.spacing_y), float(scan.spacing_x))
    middle = np.array([centre[0], *(np.array(centre[1:]) - jitter / pixel_mm)])
    z_mm = np.asarray(scan.z_mm)[box.start[0] : box.stop[0]]
    voxels = mask_on_millimetres(
        mask, z_mm, pixel_mm, centre=(float(z_mm[centre[0]]), *middle[1:].tolist()), shape=shape
    )
    return cut_image(folder, scan, middle + box.start, shape), voxels
