"""Asking a public object store over HTTP: what a folder holds, and again when the network or the server fails.

The transfer is by requests, since idc-index's client proved unfit against a server that misbehaves: it took wrong and
short files as good, returned as after a success when files were missing, waited without limit when nothing came,
and loads an index of all collections, of which the manifests hold the few rows in question.
"""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from xml.etree import ElementTree

import requests

from explainct.errors import UserError

log = logging.getLogger(__name__)

T = TypeVar("T")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LATER = "Check the connection and repeat the command; what is complete is kept."
MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Server:
    """Where buckets lie, how long an answer may take, and how often it is asked for.

    Attributes:
        endpoint: address of a bucket, with `{bucket}` in place of its name.
        timeout_s: seconds without a byte after which a connection counts as broken.
        tries: how often a request is made before it fails.
        pause_s: seconds before the second try; each further pause is twice as long.
    """

    endpoint: str = "https://{bucket}.s3.amazonaws.com"
    timeout_s: float = 60.0
    tries: int = 5
    pause_s: float = 2.0

    def address(self, url: str) -> str:
        """Return where `url` is fetched: `s3://bucket/key` at the endpoint, any other address as it stands."""
        if not url.startswith("s3://"):
            return url
        bucket, _, key = url.removeprefix("s3://").partition("/")
        return f"{self.endpoint.format(bucket=bucket)}/{key}"

    def insist(self, url: str, step: Callable[[], T]) -> T:
        """Return what `step` returns, trying it again while the network or the server fails.

        Raises:
            UserError: the server refuses `url` (a status of 4xx), or every try failed.
        """
        trial = 1
        while True:
            try:
                return step()
            except requests.RequestException as error:
                reason = self._reason(error)
                if trial == self.tries or _is_refusal(error):
                    raise UserError(f"{url} could not be fetched: {reason}. {LATER}") from error
            pause_s = self.pause_s * 2 ** (trial - 1)
            trial += 1
            log.warning("%s: %s; try %d of %d follows in %g s", url, reason, trial, self.tries, pause_s)
            time.sleep(pause_s)

    def _reason(self, error: requests.RequestException) -> str:
        if error.response is not None:
            return f"the server answers {error.response.status_code}"
        if "timed out" in str(error):
            return f"nothing came for {self.timeout_s:g} s"
        cause = getattr(next(iter(error.args), None), "reason", error)  # urllib3's, which is more precise
        return f"the connection failed ({type(cause).__name__})"


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server, with what is known of it.

    Attributes:
        url: `s3://bucket/key`, or any other address.
        size: bytes.
        md5: hexadecimal; empty where the server does not tell it.
        series_uid: Series Instance UID that its DICOM header must hold; empty for other files.
    """

    url: str
    size: int
    md5: str
    series_uid: str = ""


def list_folder(session: requests.Session, server: Server, url: str) -> dict[str, RemoteFile]:
    """List the files of the folder `url` (`s3://bucket/folder/`) by name.

    An S3 ETag is the MD5 of an object that was uploaded in one part; others hold a hyphen.

    Raises:
        UserError: the server gives no listing, or it names a file that would not lie in the folder.
    """
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    query = {"list-type": "2", "prefix": prefix}
    files = {}
    while True:
        page = server.insist(url, lambda: _ask(session, server, f"s3://{bucket}/", query))
        try:
            entries, query["continuation-token"] = _parse_page(page)
        except (ElementTree.ParseError, ValueError) as error:
            raise UserError(
                f"{url} is answered by something else than a listing of files ({error}). {LATER}"
            ) from error
        for key, size, etag in entries:
            name = key.removeprefix(prefix)
            if not PLAIN_NAME.fullmatch(name):
                raise UserError(f"{url} lists a file with the key {key!r}, which is no plain name below it. {LATER}")
            files[name] = RemoteFile(f"s3://{bucket}/{key}", size, etag if MD5.fullmatch(etag) else "")
        if not query["continuation-token"]:
            return files


def read_size(session: requests.Session, server: Server, url: str) -> int:
    """Return the size of the file at `url` (bytes).

    Raises:
        UserError: the server does not tell.
    """

    def ask() -> str:
        """Return what the server says of the size, empty where it says nothing."""
        answer = session.head(server.address(url), timeout=server.timeout_s, allow_redirects=True)
        answer.raise_for_status()
        return answer.headers.get("Content-Length", "")

    size = server.insist(url, ask)
    if not size.isdigit():
        raise UserError(f"{url} has no size by its server's answer ({size!r}). {LATER}")
    return int(size)


def _ask(session: requests.Session, server: Server, url: str, query: dict[str, str]) -> bytes:
    answer = session.get(server.address(url), params=query, timeout=server.timeout_s)
    answer.raise_for_status()
    return answer.content


def _parse_page(page: bytes) -> tuple[list[tuple[str, int, str]], str]:
    """Return key, size (bytes) and ETag of each file on a page of a listing, and the token of the next page."""
    root = ElementTree.fromstring(page)
    entries = [
        (entry.findtext("{*}Key", ""), int(entry.findtext("{*}Size", "")), entry.findtext("{*}ETag", "").strip('"'))
        for entry in root.iterfind("{*}Contents")
    ]
    return entries, root.findtext("{*}NextContinuationToken", "")


def _is_refusal(error: requests.RequestException) -> bool:
    """Tell whether the server answers that asking again is of no use."""
    status = error.response.status_code if error.response is not None else 0
    return 400 <= status < 500 and status not in (408, 429)
