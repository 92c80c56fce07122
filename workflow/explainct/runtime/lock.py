"""Locks that the operating system lets go when their holder dies, however it dies.

One keeps a second head out of a folder; others keep two jobs from writing one output, as when a head was killed, its
job goes on, and the next head starts the job anew. On a cluster the file system must carry locks between machines, as
NFS 4, GPFS, BeeGFS and Lustre (mounted with `flock`) do. On one that carries none, work goes on without, and says so.
"""

import errno
import fcntl
import hashlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

from explainct.errors import UserError
from explainct.runtime.files import is_disk_full

JOBS = Path(".snakemake/jobs")
"""Where the locks of outputs lie."""

LOCKLESS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of a file system that has no locks."""

_held: list[IO[bytes]] = []


def hold_lock(path: str | Path) -> None:
    """Lock the file `path` until this process ends.

    Snakemake's own lock outlives a killed run and has to be removed by hand; this one does not.

    Raises:
        UserError: another process holds the lock.
    """
    path = Path(path)
    handle = _open(path)
    if not lock_file(handle):
        handle.close()
        raise UserError(
            f"Another run is going on in {Path.cwd()} (it holds {path}). Wait for its end, or stop it first."
        )
    _held.append(handle)


class OutputLock:
    """The lock of a job's outputs, and a note of which job made them last.

    Args:
        outputs: what the job writes; jobs with the same first output exclude each other.
        identity: all that the outputs depend on, as text.
        folder: where locks lie, on a file system that all jobs share.
    """

    def __init__(self, outputs: Sequence[str], identity: str, folder: Path = JOBS) -> None:
        self.outputs = [Path(output) for output in outputs]
        self.identity = hashlib.sha256(identity.encode()).hexdigest()
        self.path = folder / f"{hashlib.sha256(str(self.outputs[0]).encode()).hexdigest()[:16]}.lock"

    def take(self) -> bool:
        """Wait until no other job writes the outputs, and hold the lock until this process ends.

        Returns:
            Whether there is something to do: not if the job that was waited for was the same, and made all outputs.
        """
        self.handle = _open(self.path)
        waited = not lock_file(self.handle)
        if waited:
            holder = self._noted().get("holder", "another job")
            print(f"{self.outputs[0]} is being made by {holder}: waiting for it", file=sys.stderr)  # noqa: T201
            fcntl.flock(self.handle, fcntl.LOCK_EX)
        if waited and self._noted().get("made") == self.identity and all(path.exists() for path in self.outputs):
            return False
        self._note()
        return True

    def done(self) -> None:
        """Note that the outputs are made."""
        self._note(made=self.identity)

    def _note(self, **more: str) -> None:
        """Write who holds the lock, and more; a full disk costs the note, not the lock."""
        note = json.dumps({"holder": f"process {os.getpid()} on {socket.gethostname()}", **more})
        try:
            self.handle.truncate(0)
            self.handle.write(note.encode())
        except OSError as error:
            if not is_disk_full(error):
                raise

    def _noted(self) -> dict[str, str]:
        """Return what the last holder wrote, nothing if it is cut."""
        self.handle.seek(0)
        try:
            return json.loads(self.handle.read())
        except ValueError:
            return {}


def _open(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+b", buffering=0)


def lock_file(handle: IO[Any]) -> bool:
    """Lock an open file, until it is closed, if it is free; tell whether it was.

    On a disk that has no locks every file is free, and one warning in each process says so.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
        _warn_lockless(Path(handle.name).parent.resolve())
    return True


@cache
def _warn_lockless(folder: Path) -> None:
    """Say once in this process what nothing protects."""
    print(  # noqa: T201
        f"The disk of {folder} has no locks: start one run at a time in this folder, since nothing keeps two, or a job "
        "that a killed run left behind, from writing the same files or computing on the same GPU.",
        file=sys.stderr,
    )
