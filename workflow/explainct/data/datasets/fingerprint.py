"""What state archives are in, from the listings of their folders alone: no file is opened."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def folders_state(folders: Iterable[str | Path]) -> str:
    """Return a hash of all that lies in `folders`, at any depth: paths, sizes, and times of change.

    A file among them counts as itself. A file that was added, taken away or changed in place changes the hash. Hidden
    files and folders do not count, as ingestion passes over them. Links count as they are and are not followed: what
    they may lead to lies in the folders too. A folder that does not exist or cannot be read counts as empty.
    """
    digest = hashlib.sha256()
    for folder in sorted(map(str, folders)):
        digest.update(f"{folder}\n".encode(errors="surrogateescape"))
        if Path(folder).is_file():
            digest.update(_said(Path(folder).stat()).encode())
        for line in _listing(folder, ""):
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _listing(folder: str, prefix: str) -> Iterator[str]:
    """Yield a line for all that lies in a folder; `prefix` is its path in the archive."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
    except OSError:
        return
    for entry in visible:
        path = f"{prefix}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield f"{path}/\n"
            yield from _listing(entry.path, path)
        else:
            status = entry.stat(follow_symlinks=False)
            yield f"{path} {_said(status)}"


def _said(status: os.stat_result) -> str:
    """Return size and time of change of a file as a line."""
    return f"{status.st_size} {status.st_mtime_ns}\n"
