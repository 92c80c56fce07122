"""A small object store on the loopback interface that speaks enough of S3, and misbehaves when told to."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 5
"""Keys per page of a listing, so that small series need several."""


class Store:
    """What the server holds (`/bucket/key` -> bytes), what it was asked for, and what it does wrong.

    `faults` maps a path to an iterator with one fault per request: a status code, "cut" (half of the body, then the
    connection closes), "stall" (half of the body, then silence), "wrong" (another byte), "short" and "long" (fewer and
    more bytes than promised by the listing), "whole" (Range is ignored), "empty" (no body), "unsized" (no
    Content-Length), or None.
    """

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"
        self.endpoint = self.url + "/{bucket}"
        self.objects: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.faults: dict[str, Iterator] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.pause_s = 0.0
        self.released = threading.Event()

    def etag(self, path: str) -> str:
        return self.etags.get(path, hashlib.md5(self.objects[path]).hexdigest())

    def files_asked(self) -> list[str]:
        """Return the paths of the files asked for, without the listings."""
        return [path for method, path, _ in self.asked if method == "GET" and path in self.objects]

    def listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        keys = sorted(path.removeprefix(f"/{bucket}/") for path in self.objects if path.startswith(f"/{bucket}/"))
        keys = [key for key in keys if key.startswith(query["prefix"][0])]
        start = int(query.get("continuation-token", ["0"])[0])
        page, rest = keys[start : start + PAGE], keys[start + PAGE :]
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[f'/{bucket}/{key}'])}</Size>"
            f'<ETag>"{self.etag(f"/{bucket}/{key}")}"</ETag>'
            "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if rest else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><KeyCount>{len(page)}</KeyCount><IsTruncated>{'true' if rest else 'false'}"
            f"</IsTruncated>{token}{entries}</ListBucketResult>"
        ).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing: clients are killed on purpose."""


@contextmanager
def serving() -> Iterator[Store]:
    """Run a server in a thread and yield its store."""
    server = Server(("127.0.0.1", 0), Handler)
    server.store = Store(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.store
    finally:
        server.store.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        store, parts = self.server.store, urlsplit(self.path)
        path = unquote(parts.path)
        store.asked.append((self.command, path, self.headers.get("Range", "")))
        fault = next(store.faults.get(path, iter(())), None)
        store.released.wait(store.pause_s)
        query = parse_qs(parts.query)
        if isinstance(fault, int):
            self.answer(fault, b"<Error/>")
        elif fault == "empty":
            self.answer(200, b"")
        elif "prefix" in query:
            self.answer(200, store.listing(path.strip("/"), query))
        elif path in store.objects:
            self.send_object(store.objects[path], store.etag(path), fault)
        else:
            self.answer(404, b"<Error/>")

    def send_object(self, body: bytes, etag: str, fault: str | None):
        if fault == "wrong":
            body = body[:-1] + bytes([body[-1] ^ 1])
        elif fault == "short":
            body = body[:-7]
        elif fault == "long":
            body = body + b"1234567"
        unit = self.headers.get("Range", "")
        headers = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if not unit or fault == "whole":
            self.answer(200, body, headers, fault)
            return
        start = int(unit.removeprefix("bytes=").partition("-")[0])
        if start >= len(body):
            self.answer(416, b"")
            return
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.answer(206, body[start:], headers, fault)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, fault: str | None = None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if fault != "unsized":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault not in ("cut", "stall"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if fault == "stall":
            self.server.store.released.wait(30)
        self.close_connection = True

    def log_message(self, *_):
        pass
