"""Fetching series of the Imaging Data Commons, several at a time."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from explainct.data.download.disk_space import require_space_for
from explainct.data.download.object_store import LATER, Server, list_folder
from explainct.data.download.progress import Progress
from explainct.data.download.resumable import fetch
from explainct.errors import UserError

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
FAILURES_IN_A_ROW = 5
"""After so many the server counts as down, and the other series are not tried."""


def fetch_all(rows: Sequence[Row], folder: Path, server: Server, connections: int) -> list[Row]:
    """Bring the series of a manifest below `folder`, `connections` at a time.

    Returns:
        Rows of the receipt: `series_uid`, `files`, `bytes`, `verified`.

    Raises:
        UserError: the disk is too small, or some series could not be fetched; complete ones are kept.
    """
    sizes = {_folder_of(row, folder): round(row["size_mb"] * 1e6) for row in rows}
    require_space_for(folder, sizes)
    progress = Progress(sum(sizes.values()), len(rows))
    pool = ThreadPoolExecutor(connections)
    receipts, failures = [], {}
    try:
        futures = {pool.submit(fetch_series, row, folder, server, progress): row["series_uid"] for row in rows}
        in_a_row = 0
        for future in as_completed(futures):
            try:
                receipts.append(future.result())
                in_a_row = 0
            except UserError as error:
                log.error("%s", error)
                failures[futures[future]] = str(error)
                in_a_row += 1
                if in_a_row == FAILURES_IN_A_ROW:
                    break
    finally:
        progress.cancel()
        pool.shutdown(cancel_futures=True)
        progress.close()
    if failures:
        failed, reason = ", ".join(sorted(failures)), next(iter(failures.values()))
        raise UserError(f"{len(receipts)} of {len(rows)} series are complete; {failed} failed. {reason}")
    return receipts


def fetch_series(row: Row, folder: Path, server: Server, progress: Progress) -> Row:
    """Bring one series to `<folder>/<patient_id>/<series_uid>/` and return its row of the receipt.

    Raises:
        UserError: the server lists another number of files than the manifest, or does not deliver them.
    """
    with requests.Session() as session:
        files = list_folder(session, server, row["url"])
        if len(files) != row["instances"]:
            raise UserError(
                f"{row['url']} holds {len(files)} files instead of the manifest's {row['instances']}. {LATER}"
            )
        for name, remote in sorted(files.items()):
            expected = replace(remote, series_uid=row["series_uid"])
            fetch(session, server, expected, _folder_of(row, folder) / name, progress)
    progress.complete_series()
    return {
        "series_uid": row["series_uid"],
        "files": len(files),
        "bytes": sum(remote.size for remote in files.values()),
        "verified": "md5" if all(remote.md5 for remote in files.values()) else "size and header",
    }


def _folder_of(row: Row, folder: Path) -> Path:
    return folder / row["patient_id"] / row["series_uid"]
