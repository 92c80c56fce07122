"""A small archive on the loopback object store, and what downloads it."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from server import Store

from explainct.data.download.archive import download_archive
from explainct.data.download.object_store import Server

SERIES = {"1.2.3.1": ("PANCREAS_0001", 7), "1.2.3.2": ("PANCREAS_0002", 3), "1.2.3.3": ("PANCREAS_0002", 1)}
LARGE, BIG = ("1.2.3.1", 1), 300_000
"""A file and its bytes: it arrives in several pieces."""


@dataclass
class Remote:
    """The store, and what downloads from it need."""

    store: Store
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "archive"

    @property
    def receipt(self) -> Path:
        return self.root / "results" / "receipt.csv"

    def download(self, archive="nih_pancreas", folder=None, **settings):
        server = Server(self.store.endpoint, timeout_s=0.3, tries=3, pause_s=0.01)
        download_archive(**{**self.arguments(archive, folder or self.folder), "server": server, **settings})

    def arguments(self, archive, folder):
        """Return what a download is given, but for the server."""
        return {
            "manifest_file": self.root / "manifests" / f"{archive}.csv",
            "receipt_file": self.receipt,
            "archive": archive,
            "archives": {archive: str(folder)},
        }

    def path(self, series_uid: str, number: int) -> str:
        """Return where the store holds a file of a series."""
        return f"/bucket/{series_uid.replace('.', '-')}/{number}.dcm"

    def paths(self) -> dict[str, str]:
        """Return where the store holds each file, by its name in the archive's folder."""
        return {
            f"{patient}/{uid}/{number}.dcm": self.path(uid, number)
            for uid, (patient, count) in SERIES.items()
            for number in range(count)
        }

    def files(self) -> dict[str, bytes]:
        """Return what lies in the archive's folder."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}

    def expected(self) -> dict[str, bytes]:
        """Return what the archive's folder holds after a whole download."""
        return {name: self.store.objects[path] for name, path in self.paths().items()}


def dicom(series_uid: str, number: int, size: int = 2000) -> bytes:
    """Return a DICOM file of about `size` bytes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"{series_uid}.{number}"
    dataset.SeriesInstanceUID = series_uid
    dataset.BitsAllocated = 8
    dataset.PixelData = np.random.default_rng(number).bytes(size)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def tar(members: dict[str, bytes | str]) -> bytes:
    """Return a tar of files (bytes), folders (empty text) and links (text)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = (tarfile.SYMTYPE, content) if content else (tarfile.DIRTYPE, "")
                archive.addfile(info)
    return buffer.getvalue()
