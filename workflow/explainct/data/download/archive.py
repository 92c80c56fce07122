"""Downloading a public archive: whole, verified, and continued where it was cut."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from explainct.data.download.decathlon import extract_tar, fetch_tar
from explainct.data.download.idc_series import fetch_all
from explainct.data.download.manifest import read_manifest
from explainct.data.download.object_store import Server
from explainct.errors import UserError
from explainct.runtime.files import write_csv

PUBLIC = Server()


def download_archive(
    *,
    manifest_file: Path,
    receipt_file: Path,
    archive: str,
    archives: Mapping[str, str | None],
    connections: int = 4,
    patients: Sequence[str] = (),
    server: Server = PUBLIC,
) -> None:
    """Download a public archive into its folder, and write a receipt when all of it is there and verified.

    What an earlier run left is verified again, and kept where its bytes are right. Series come to lie in
    `<patient_id>/<series_uid>/`, the Decathlon's scans in `imagesTr` and `labelsTr`.

    Args:
        manifest_file: what the archive holds: a row a series, or one row that names an archive file (`.tar`).
        receipt_file: CSV with `series_uid`, `files`, `bytes` and `verified` (`md5`, or `size and header` where the
            server tells no MD5).
        archive: the archive's name.
        archives: the folder of each archive, as the settings name it; without one it is that of the receipt's name.
        connections: series that are fetched at the same time.
        patients: public ids of the patients wanted, all when empty.
        server: where the series lie, and how patiently it is asked.

    Raises:
        UserError: the folder cannot be written, the disk is too small, or something could not be fetched or verified.
    """
    rows = read_manifest(manifest_file, patients).to_dict("records")
    folder = Path(archives.get(archive) or receipt_file.with_suffix(""))
    _require_folder(folder)
    if rows[0]["url"].endswith(".tar"):
        tar_file = fetch_tar(rows[0], folder, server)
        sizes = extract_tar(tar_file, folder)
        receipts = [{"series_uid": rows[0]["series_uid"], "files": len(sizes), "bytes": sum(sizes), "verified": "md5"}]
        write_csv(pd.DataFrame(receipts), receipt_file)
        tar_file.unlink()
    else:
        receipts = fetch_all(rows, folder, server, connections)
        write_csv(pd.DataFrame(receipts).sort_values("series_uid"), receipt_file)


def _require_folder(folder: Path) -> None:
    """Check that `folder` can be made and written."""
    problem = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be made ({error.strerror})"
    else:
        if not os.access(folder, os.W_OK | os.X_OK):
            problem = "cannot be written"
    if problem:
        raise UserError(f"The folder {folder} {problem}. Choose another for the archive in `ingest.archives`.")
