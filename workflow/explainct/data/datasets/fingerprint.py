"""What state archives are in, cheaply enough to look at before every run."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def folders_state(folders: Iterable[str | Path]) -> str:
    """Return a hash of what lies directly in `folders` (in archives: the patients), and of when each was changed.

    A patient or series that was added or taken away changes it; a file changed in place does not. A folder that does
    not exist counts as empty.
    """
    digest = hashlib.sha256()
    for folder in sorted(map(Path, folders)):
        digest.update(f"{folder}\n".encode())
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        for entry in entries:
            digest.update(f"{entry.name} {entry.lstat().st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
