"""The index of a DICOM folder: every CT series, accepted or rejected with the reason."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from explainct.data.ingest.dicom_geometry_checks import find_problem, in_z_order, mark_twins
from explainct.data.ingest.dicom_header import Header, read_header
from explainct.data.ingest.scan_space import mean_step
from explainct.data.ingest.walk import find_files, printable
from explainct.errors import UserError

log = logging.getLogger(__name__)

UNREADABLE = "unreadable:"
"""What stands before the path of a file that does not say its series, in place of a UID."""

EXCLUDED = "Excluded by the setting `ingest.exclude`."
REMEDY = "Download it again, list it under `ingest.exclude`, or set `on_problem: skip`."


def index_dicom(root: Path, *, exclude: Sequence[str], on_problem: str, patient_pattern: str = "") -> pd.DataFrame:
    """Find all CT series below a folder and check their headers and geometry.

    Series are told apart by the UID in the headers, never by folders or file names. Slice thickness and instance
    numbers are not looked at; places and the spacing of slices follow from their positions. Files of other modalities,
    hidden files and folders, and files that are no DICOM are passed over. That a slice is missing at an end of a series
    cannot be known.

    Args:
        root: the folder, searched with all its subfolders (see `find_files` for links).
        exclude: Series Instance UIDs to reject.
        on_problem: `stop` at the first series that cannot be used, or `skip` it: reject it with the reason.
        patient_pattern: regular expression of an archive's public patient ids. Only an id that matches as a whole is
            taken over; by default none is read.

    Returns:
        One row a series in order of `series_uid`, with the columns of `ingest/series.parquet` but `archive`: `files`
        relative to `root`, `instance_uids`, and `z_mm` in mm, all z ascending; spacings and origin in mm. A rejected
        series has no geometry. A file that does not say its series is a row of its own with the UID
        `unreadable:<file>`, and so is a link that leaves `root` or cannot be followed.

    Raises:
        UserError: the folder is missing or holds no CT series, or a series cannot be used and `on_problem` is `stop`.
    """
    root = Path(root)
    headers = _headers(root, patient_pattern)
    if not headers:
        raise UserError(
            f"Folder {root.absolute()} holds no CT series; DICOM files of the modality CT were expected in it or its "
            "subfolders. Set the archive's folder under `ingest.archives`."
        )
    kept = mark_twins([header for header in headers if header.series_uid not in exclude])
    found = _group(kept + [header for header in headers if header.series_uid in exclude])
    rows = []
    # An unreadable file comes first: it is why its series misses a slice.
    for uid, group in sorted(found.items(), key=lambda item: (not item[0].startswith(UNREADABLE), item[0])):
        slices = in_z_order(group)
        reason = EXCLUDED if uid in exclude else find_problem(slices)
        if reason and reason != EXCLUDED:
            if on_problem == "stop":
                raise UserError(f"{reason} {REMEDY}")
            log.warning("Series rejected. %s", reason)
        rows.append(_row(uid, slices, reason))
    return pd.DataFrame(rows).sort_values("series_uid", ignore_index=True)


def _headers(root: Path, patient_pattern: str) -> list[Header]:
    """Read the headers of all CT slices below `root`, with paths relative to it."""
    if not root.is_dir():
        relative = "" if root.is_absolute() else f" ({str(root)!r}, taken relative to {Path.cwd()})"
        raise UserError(
            f"Folder {root.absolute()}{relative} does not exist; a folder of DICOM series was expected. "
            "Correct the folder under `ingest.archives`."
        )
    files, problems = find_files(root)
    headers = [Header(path.relative_to(root), problem=problem) for path, problem in sorted(problems.items())]
    others = 0
    for path in files:
        if header := read_header(path, patient_pattern=patient_pattern):
            headers.append(_named(header, path.relative_to(root)))
        else:
            others += 1
    log.info("%s: %d CT slices, %d other files passed over", root, len(files) - others, others)
    return headers


def _named(header: Header, path: Path) -> Header:
    """Return the header with the path `path`; one that no table can hold is a problem."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        return replace(header, path=path, problem="has a name that is not valid UTF-8; rename it")
    return replace(header, path=path)


def _group(headers: Sequence[Header]) -> dict[str, list[Header]]:
    groups: dict[str, list[Header]] = {}
    for header in headers:
        uid = header.series_uid or f"{UNREADABLE}{printable(header.path)}"
        groups.setdefault(uid, []).append(header)
    return groups


def _row(uid: str, slices: Sequence[Header], reason: str) -> Mapping[str, object]:
    """Return the row of a series; a rejected series has no geometry."""
    patients = {header.patient_id for header in slices}
    row = {
        "format": "dicom",
        "series_uid": uid,
        "patient_id": patients.pop() if len(patients) == 1 else "",
        "files": [printable(header.path) for header in slices],
        "instance_uids": [],
        "label_file": "",
        "z_mm": [],
        "rows": 0,
        "columns": 0,
        "slices": len(slices),
        "spacing_z": np.nan,
        "spacing_y": np.nan,
        "spacing_x": np.nan,
        "origin": [],
        "direction": [],
        "verdict": "rejected",
        "reason": reason,
    }
    return row if reason else row | _geometry(slices) | {"verdict": "accepted"}


def _geometry(slices: Sequence[Header]) -> Mapping[str, object]:
    first = slices[0]
    z = [header.position[2] for header in slices]
    # The third axis points from slice to slice, which is up, whatever way the in-plane axes turn.
    axes = np.array([first.orientation[:3], first.orientation[3:], (0.0, 0.0, 1.0)])
    return {
        "files": [header.path.as_posix() for header in slices],
        "instance_uids": [header.instance_uid for header in slices],
        "z_mm": z,
        "rows": first.rows,
        "columns": first.columns,
        "spacing_z": mean_step(z),
        "spacing_y": first.pixel_spacing[0],
        "spacing_x": first.pixel_spacing[1],
        "origin": list(first.position),
        "direction": axes.T.ravel().tolist(),
    }
