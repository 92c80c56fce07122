"""Writing HDF5 files so that a full disk is an error, and neither a crash nor a file with holes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from explainct.runtime.files import replacing


class _Disk(io.FileIO):
    """A file that remembers its first failed write in `error`, and takes what comes after it without writing.

    HDF5 writes when it likes, also while an object is let go, where Python drops errors; and it crashes the process
    when it cannot write what it holds at the end. So it never hears of a failure: who writes asks for `error`.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, unless an earlier write failed."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and not self.error:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = error
        return size

    def check(self) -> None:
        """Raise the error of the write that failed, if one did."""
        if self.error:
            raise self.error


class _File(h5py.File):
    """An HDF5 file whose writer hears of a failed write at the next group, and not only at the end."""

    def __init__(self, disk: _Disk) -> None:
        super().__init__(disk, "w")
        self._disk = disk

    def create_group(self, *args: Any, **kwargs: Any) -> h5py.Group:
        """Create a group, after a look at what was written so far."""
        self._disk.check()
        return super().create_group(*args, **kwargs)


@contextmanager
def writing_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Yield a new HDF5 file that becomes `path`, whole or not at all, as `explainct.runtime.files.replacing` has it.

    Raises:
        UserError: no space was left on the device.
    """
    with replacing(path) as part, _Disk(part, "w+") as disk:
        try:
            with _File(disk) as file:
                yield file
        finally:
            disk.check()
