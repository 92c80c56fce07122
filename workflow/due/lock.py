"""One head per folder: a lock that the operating system lets go when its holder dies, however it dies."""

import fcntl
from pathlib import Path
from typing import IO

from due.errors import DueError

_held: list[IO[str]] = []


def hold_lock(path: str | Path) -> None:
    """Lock the file `path` until this process ends.

    Snakemake's own lock outlives a killed run and has to be removed by hand; this one does not.

    Raises:
        DueError: another process holds the lock.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise DueError(
            f"Another run is going on in {Path.cwd()} (it holds {path}). Wait for its end, or stop it first."
        ) from None
    _held.append(handle)
