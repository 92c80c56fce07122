"""How far a download is: a line in the log now and then, and a bar on a terminal."""

import logging
import sys
import time
from concurrent.futures import CancelledError
from threading import Lock

from tqdm import tqdm

log = logging.getLogger(__name__)

GB = 10**9
EVERY_S = 10.0


class Progress:
    """Counts the bytes and series of several threads.

    Args:
        total_bytes: bytes of the whole archive, complete files of earlier runs included.
        series: number of series.
    """

    def __init__(self, total_bytes: int, series: int) -> None:
        self._bar = tqdm(total=total_bytes, unit="B", unit_scale=True, disable=not sys.stderr.isatty())
        self._lock = Lock()
        self._total_bytes, self._series = total_bytes, series
        self._bytes = self._fetched = self._complete = 0
        self._start = self._logged = time.monotonic()
        self._cancelled = False

    def add(self, size: int, *, fetched: bool = True) -> None:
        """Count `size` bytes, negative where bytes are given up; not `fetched` are those of an earlier run.

        Raises:
            CancelledError: the download was cancelled.
        """
        if self._cancelled:
            raise CancelledError
        with self._lock:
            self._bar.update(size)
            self._bytes += size
            self._fetched += size if fetched else 0
            due = time.monotonic() >= self._logged + EVERY_S
        if due:
            self.report()

    def complete_series(self) -> None:
        """Count one series as complete."""
        with self._lock:
            self._complete += 1

    def report(self) -> None:
        """Log how far the download is."""
        with self._lock:
            self._logged = time.monotonic()
            rate = self._fetched / max(self._logged - self._start, 1e-3) / 1e6
            counts = (self._complete, self._series, self._bytes / GB, self._total_bytes / GB, rate)
        log.info("%d of %d series, %.2f of %.2f GB, %.1f MB/s", *counts)

    def cancel(self) -> None:
        """Let each thread end at its next bytes."""
        self._cancelled = True

    def close(self) -> None:
        """Log the last count and end the bar."""
        self.report()
        self._bar.close()
