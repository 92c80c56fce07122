"""A small disk that tests fill up."""

import shutil
import subprocess
from pathlib import Path

import pytest

LARGE = 2**30
"""Bytes of a disk that is not full; it takes memory for what is written only."""


class SmallDisk:
    """A disk of its own at a folder, whose size tests change; the test is skipped where none can be mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        options = ("-t", "tmpfs", "-o", f"size={LARGE}", "tmpfs", folder)
        if not shutil.which("mount") or subprocess.run(["mount", *options], capture_output=True).returncode:
            pytest.skip("mounting a small disk needs Linux and the rights to do so")

    def leave(self, free: int) -> None:
        """Shrink the disk until `free` bytes are left, also while it is written to."""
        for _ in range(1000):
            usage = shutil.disk_usage(self.folder)
            if self._resize(max(usage.used + free, 4096)):  # a size of 0 would mean no limit
                return
        raise AssertionError(f"{self.folder} fills up faster than it can be shrunk")

    def grow(self) -> None:
        """Give the disk its first size again."""
        assert self._resize(LARGE)

    def unmount(self) -> None:
        """Take the disk away, with all that is on it."""
        subprocess.run(["umount", self.folder], check=True)

    def _resize(self, size: int) -> bool:
        command = ["mount", "-o", f"remount,size={size}", self.folder]
        return subprocess.run(command, capture_output=True).returncode == 0
