"""The index of a DICOM folder: every CT series, accepted or rejected with the reason."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from due.errors import DueError
from due.ingest.checks import find_problem, in_z_order
from due.ingest.header import Header, read_header

log = logging.getLogger(__name__)

UNREADABLE = "unreadable:"
"""What stands before the path of a file that does not say its series, in place of a UID."""

EXCLUDED = "Excluded by the setting `ingest.exclude`."
REMEDY = "Download it again, list it under `ingest.exclude`, or set `on_problem: skip`."


def index_series(root: Path, *, exclude: Sequence[str], on_problem: str) -> pd.DataFrame:
    """Find all CT series below a folder and check their geometry.

    Series are told apart by the UID in the headers, never by folders or file names. Slice thickness is not looked at;
    the spacing of slices follows from their positions. Files of other modalities, hidden files, and files that are
    no DICOM are passed over.

    Args:
        root: the folder, searched with all its subfolders.
        exclude: Series Instance UIDs to reject.
        on_problem: `stop` at the first series that cannot be used, or `skip` it: reject it with the reason.

    Returns:
        One row a series in order of `series_uid`, with the columns of `ingest/series.parquet`: `files` relative to
        `root` and `z_mm` in mm, both z ascending; spacings and origin in mm. A rejected series has no geometry. A file
        that does not say its series is a row of its own with the UID `unreadable:<file>`.

    Raises:
        DueError: the folder is missing or holds no CT series, or a series cannot be used and `on_problem` is `stop`.
    """
    root = Path(root)
    found = _group(_headers(root))
    if not found:
        raise DueError(
            f"Folder {root.absolute()} holds no CT series; DICOM files of the modality CT were expected in it or its "
            "subfolders. Set `ingest.dicom` to the folder that holds them."
        )
    rows = []
    # An unreadable file comes first: it is why its series misses a slice.
    for uid, headers in sorted(found.items(), key=lambda item: (not item[0].startswith(UNREADABLE), item[0])):
        slices = in_z_order(headers)
        reason = EXCLUDED if uid in exclude else find_problem(slices)
        if reason and reason != EXCLUDED:
            if on_problem == "stop":
                raise DueError(f"{reason} {REMEDY}")
            log.warning("Series rejected. %s", reason)
        rows.append({"series_uid": uid, **_row(slices, reason)})
    return pd.DataFrame(rows).sort_values("series_uid", ignore_index=True)


def _headers(root: Path) -> list[Header]:
    """Read the headers of all CT slices below `root`, with paths relative to it."""
    if not root.is_dir():
        relative = "" if root.is_absolute() else f" ({str(root)!r}, taken relative to {Path.cwd()})"
        raise DueError(
            f"Folder {root.absolute()}{relative} does not exist; a folder of DICOM series was expected. "
            "Correct the setting `ingest.dicom`."
        )
    headers, others = [], 0
    for path in _files(root):
        if header := read_header(path):
            headers.append(replace(header, path=path.relative_to(root)))
        else:
            others += 1
    log.info("%s: %d CT slices, %d other files passed over", root, len(headers), others)
    return headers


def _files(root: Path) -> list[Path]:
    """List all files below `root` that are not hidden, sorted, going through links to folders too."""
    paths = [Path(folder, name) for folder, _, names in os.walk(root, followlinks=True) for name in names]
    return sorted(path for path in paths if not path.name.startswith("."))


def _group(headers: Sequence[Header]) -> dict[str, list[Header]]:
    groups: dict[str, list[Header]] = {}
    for header in headers:
        uid = header.series_uid or f"{UNREADABLE}{header.path.as_posix()}"
        groups.setdefault(uid, []).append(replace(header, series_uid=uid))
    return groups


def _row(slices: Sequence[Header], reason: str) -> Mapping[str, object]:
    """Return the columns of a series after its UID; a rejected series has no geometry."""
    row = {
        "files": [header.path.as_posix() for header in slices],
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
        "z_mm": z,
        "rows": first.rows,
        "columns": first.columns,
        "spacing_z": (z[-1] - z[0]) / (len(z) - 1),
        "spacing_y": first.pixel_spacing[0],
        "spacing_x": first.pixel_spacing[1],
        "origin": list(first.position),
        "direction": axes.T.ravel().tolist(),
    }
