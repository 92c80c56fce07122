"""Fetching the one archive file of a task of the Medical Segmentation Decathlon, and taking the scans out of it.

monai's download starts anew after a break and its extraction skips a folder that a killed run left half full, so
neither is used.
"""

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from explainct.data.download.disk_space import require_space_for
from explainct.data.download.object_store import RemoteFile, Server, read_size
from explainct.data.download.progress import Progress
from explainct.data.download.resumable import fetch
from explainct.errors import UserError
from explainct.runtime.files import replacing


def fetch_tar(row: Mapping[str, Any], folder: Path, server: Server) -> Path:
    """Bring a task's archive file into `folder` and return it; its MD5 is the manifest's.

    Raises:
        UserError: the disk cannot hold the file and what is in it, or the file could not be fetched.
    """
    tar_file = folder / f"{row['series_uid']}.tar"
    with requests.Session() as session:
        size = read_size(session, server, row["url"])
        require_space_for(folder, {folder: 2 * size})
        progress = Progress(size, 1)
        try:
            fetch(session, server, RemoteFile(row["url"], size, row["md5"]), tar_file, progress)
            progress.complete_series()
        finally:
            progress.close()
    return tar_file


def extract_tar(tar_file: Path, folder: Path) -> list[int]:
    """Take the files out of a task's archive file, each whole or not at all, and return their sizes (bytes).

    What lies in the task's folder comes to lie in `folder`; macOS's `._` companions of files are left out.

    Raises:
        UserError: a member is no plain file or folder, or would lie outside `folder`; nothing is extracted then.
    """
    with tarfile.open(tar_file) as tar:
        targets = [(member, folder / _place(member, tar_file)) for member in tar if not _is_companion(member)]
        files = [(member, target) for member, target in targets if member.isfile()]
        for member, target in files:
            with replacing(target) as part, part.open("wb") as out:
                shutil.copyfileobj(tar.extractfile(member), out)
    return [member.size for member, _ in files]


def _is_companion(member: tarfile.TarInfo) -> bool:
    return PurePosixPath(member.name).name.startswith("._")


def _place(member: tarfile.TarInfo, tar_file: Path) -> PurePosixPath:
    """Return the path of a member in the archive's folder, without the task's name at its start."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise UserError(
            f"{tar_file} holds {member.name!r}, which is no plain file or folder below it. "
            "Nothing was extracted; delete the file and repeat the command."
        )
    return path.relative_to(tar_file.stem) if path.parts[:1] == (tar_file.stem,) else path
