"""Fetching one file: continued where it was cut, and kept only when its bytes are right."""

import hashlib
import logging
from pathlib import Path

import pydicom
import requests

from explainct.data.download.object_store import LATER, RemoteFile, Server
from explainct.data.download.progress import Progress
from explainct.errors import UserError

log = logging.getLogger(__name__)

CHUNK = 2**16
"""Bytes per write: at most so many are lost when a connection breaks."""


def fetch(session: requests.Session, server: Server, remote: RemoteFile, target: Path, progress: Progress) -> None:
    """Bring `remote` to `target`, unless it is there already; wrong bytes are deleted and fetched once more.

    Raises:
        UserError: the server did not deliver the file, or delivered wrong bytes twice.
    """
    if target.exists():
        if not find_fault(target, remote):
            progress.add(remote.size, fetched=False)
            return
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part.{target.name}")
    for _ in range(2):
        _complete(session, server, remote, part, progress)
        fault = find_fault(part, remote)
        if not fault:
            part.replace(target)
            return
        log.warning("%s from %s %s; it is deleted", target, remote.url, fault)
        progress.add(-part.stat().st_size, fetched=False)
        part.unlink()
    raise UserError(f"{target} {fault}, in two downloads from {remote.url}. {LATER}")


def find_fault(file: Path, remote: RemoteFile) -> str:
    """Return what is wrong with the bytes of `file`, with the found and the expected value, or '' when they are right.

    Size, MD5 where it is known, and the series in the DICOM header where one is expected, are compared.
    """
    size = file.stat().st_size
    if size != remote.size:
        return f"holds {size} bytes instead of {remote.size}"
    if remote.md5:
        with file.open("rb") as handle:
            md5 = hashlib.file_digest(handle, "md5").hexdigest()
        if md5 != remote.md5:
            return f"has the MD5 {md5} instead of {remote.md5}"
    if remote.series_uid:
        series_uid = _read_series_uid(file)
        if series_uid != remote.series_uid:
            return f"belongs to the series {series_uid!r} instead of {remote.series_uid!r}"
    return ""


def _read_series_uid(file: Path) -> str:
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
    except Exception:  # pydicom lets errors of many kinds through
        return "(unreadable)"
    return str(header.get("SeriesInstanceUID", ""))


def _complete(session: requests.Session, server: Server, remote: RemoteFile, part: Path, progress: Progress) -> None:
    """Append to `part` what it lacks, as far as the server has it; tries are counted anew whenever bytes arrived."""
    part.touch()
    progress.add(part.stat().st_size, fetched=False)
    while part.stat().st_size < remote.size:
        if not server.insist(remote.url, lambda: _append(session, server, remote, part, progress)):
            return


def _append(session: requests.Session, server: Server, remote: RemoteFile, part: Path, progress: Progress) -> bool:
    """Append the bytes of one answer to `part`; tell whether there were any.

    Raises:
        requests.RequestException: the connection failed before any.
    """
    before = start = part.stat().st_size
    headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
    address = server.address(remote.url)
    with session.get(address, headers=headers, stream=True, timeout=server.timeout_s) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            return False
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:
            start = 0
            progress.add(-before, fetched=False)
        with part.open("r+b") as handle:
            handle.truncate(start)
            handle.seek(start)
            try:
                for chunk in answer.iter_content(CHUNK):
                    handle.write(chunk)
                    progress.add(len(chunk))
                    if handle.tell() > remote.size:
                        break
            except requests.RequestException:
                if handle.tell() <= before:
                    raise
                log.warning("%s broke off after %d of %d bytes", remote.url, handle.tell(), remote.size)
            return handle.tell() > before
