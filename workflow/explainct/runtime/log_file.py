"""A log on a disk that may be full: what it cannot hold is left out, and hides no other message."""

import logging
import sys
from pathlib import Path
from typing import IO

from explainct.runtime.files import is_disk_full


class LogFile(logging.Handler):
    """Writes each message to a file at once; where no space is left, says so on standard error instead, once.

    The handlers of `logging` print a traceback for every line that they cannot write, and one more at the end.
    """

    def __init__(self, path: str | Path) -> None:
        """Start the log anew."""
        super().__init__()
        self._path = Path(path)
        self._file: IO[bytes] | None = None
        self._cut = False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer nothing is left to be written, and to fail, when the process ends.
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            self._forgive(error)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        if self._file:
            try:
                self._file.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))
            except OSError as error:
                self._forgive(error)
            except Exception:  # a message that cannot be put together: as all handlers of `logging` do
                self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None
        super().close()

    def _forgive(self, error: OSError) -> None:
        """Go on without the log if the disk is full; say so the first time."""
        if not is_disk_full(error):
            raise error
        if not self._cut:
            sys.stderr.write(f"No space is left for the log {self._path}; messages stand here only.\n")
            self._cut = True
