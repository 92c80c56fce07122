"""Downloading series from an object store that cuts, stalls, refuses and lies."""

import itertools
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import requests
from remote_archive import BIG, LARGE, dicom
from small_disk import SmallDisk

from explainct.data.download import idc_series as series
from explainct.data.download import progress
from explainct.data.download.object_store import RemoteFile, Server
from explainct.data.download.resumable import CHUNK, fetch
from explainct.errors import UserError

WORKFLOW = Path(__file__).parents[4] / "workflow"
Usage = namedtuple("Usage", "total used free")


def test_everything_arrives_and_the_receipt_says_so(remote):
    remote.download()
    assert remote.files() == remote.expected()
    receipt = pd.read_csv(remote.receipt)
    manifest = pd.read_csv(remote.root / "manifests" / "nih_pancreas.csv")
    assert receipt["series_uid"].tolist() == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
    assert receipt["files"].tolist() == [7, 3, 1]
    assert receipt["bytes"].tolist() == (manifest["size_mb"] * 1e6).round().tolist()
    assert set(receipt["verified"]) == {"md5"}
    assert {path.name for path in remote.root.iterdir()} == {"archive", "manifests", "results"}


def test_what_is_there_is_not_fetched_again(remote):
    remote.download()
    first, content = remote.receipt.read_bytes(), remote.files()
    remote.store.asked.clear()
    remote.receipt.unlink()
    remote.download()
    assert remote.store.files_asked() == []
    assert remote.receipt.read_bytes() == first
    assert remote.files() == content


def test_a_damaged_file_is_fetched_again_and_no_other(remote):
    remote.download()
    file = remote.folder / "PANCREAS_0002/1.2.3.2/1.dcm"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    remote.store.asked.clear()
    remote.download()
    assert remote.store.files_asked() == [remote.path("1.2.3.2", 1)]
    assert remote.files() == remote.expected()


def test_a_disk_that_others_fill_meanwhile_stops_a_download_that_then_goes_on(remote, monkeypatch):
    disk = SmallDisk(remote.folder)
    try:
        monkeypatch.setattr(series, "require_space_for", lambda *_: None)
        disk.leave(100_000)
        with pytest.raises(OSError, match="No space left on device"):
            remote.download()
        assert not remote.receipt.exists()
        disk.grow()
        remote.download()
        assert remote.files() == remote.expected()
    finally:
        disk.unmount()


def test_only_the_wanted_patients_are_fetched(remote):
    remote.download(patients=["PANCREAS_0002"])
    assert pd.read_csv(remote.receipt)["series_uid"].tolist() == ["1.2.3.2", "1.2.3.3"]
    assert [path.name for path in remote.folder.iterdir()] == ["PANCREAS_0002"]


@pytest.mark.parametrize("fault", ["cut", "stall", 500, 503, 429, 408, "wrong", "short", "long", "empty", "whole"])
@pytest.mark.parametrize("large", [True, False])
def test_a_fault_of_the_server_is_overcome(remote, fault, large):
    path = remote.path(*LARGE) if large else remote.path("1.2.3.2", 0)
    remote.store.faults[path] = iter([fault])
    remote.download()
    assert remote.files() == remote.expected()
    assert remote.receipt.exists()


def test_a_cut_file_is_continued_where_it_broke(remote):
    path = remote.path(*LARGE)
    remote.store.faults[path] = iter(["cut", "stall"])
    remote.download()
    starts = [int(unit.removeprefix("bytes=").rstrip("-")) for _, asked, unit in remote.store.asked if asked == path]
    assert starts[0] == 0
    assert starts[1] >= BIG // 2 - 2**16
    assert len(starts) == 3
    assert starts[2] > starts[1]
    assert remote.files() == remote.expected()


def test_a_cut_file_starts_anew_where_ranges_are_ignored(remote):
    path = remote.path(*LARGE)
    remote.store.faults[path] = iter(["cut", "whole"])
    remote.download()
    assert remote.store.files_asked().count(path) == 2
    assert remote.files() == remote.expected()


def test_more_bytes_than_promised_are_not_taken(remote):
    path = remote.path(*LARGE)
    size = len(remote.store.objects[path])
    remote.store.objects[path] *= 10
    counts = []
    counter = SimpleNamespace(add=lambda size, fetched=True: counts.append(size if fetched else 0))
    file = RemoteFile(f"s3:/{path}", size, "")
    with requests.Session() as session, pytest.raises(UserError, match=rf"x holds \d+ bytes instead of {size}"):
        fetch(session, Server(remote.store.endpoint), file, remote.root / "x", counter)
    assert sum(counts) <= 2 * (size + CHUNK)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wrong", r"1\.dcm has the MD5 \w{32} instead of \w{32}, in two downloads"),
        ("short", r"1\.dcm holds \d+ bytes instead of \d+, in two downloads"),
        ("long", r"1\.dcm holds \d+ bytes instead of \d+, in two downloads"),
        ("empty", r"1\.dcm holds 0 bytes instead of \d+, in two downloads"),
        (403, r"s3://bucket/1-2-3-1/1\.dcm could not be fetched: the server answers 403"),
        (404, r"s3://bucket/1-2-3-1/1\.dcm could not be fetched: the server answers 404"),
        (500, r"s3://bucket/1-2-3-1/1\.dcm could not be fetched: the server answers 500"),
    ],
)
def test_a_server_that_stays_wrong_is_reported_and_the_rest_is_kept(remote, fault, reason):
    remote.store.faults[remote.path(*LARGE)] = itertools.repeat(fault)
    with pytest.raises(UserError, match=reason) as error:
        remote.download()
    assert str(error.value).startswith("2 of 3 series are complete; 1.2.3.1 failed. ")
    assert not remote.receipt.exists()
    files = remote.files()
    assert "PANCREAS_0001/1.2.3.1/1.dcm" not in files
    kept = {name: data for name, data in remote.expected().items() if name.startswith("PANCREAS_0002")}
    assert {name: data for name, data in files.items() if name.startswith("PANCREAS_0002")} == kept

    remote.store.faults.clear()
    remote.store.asked.clear()
    remote.download()
    assert remote.files() == remote.expected()
    assert remote.path("1.2.3.1", 0) not in remote.store.files_asked()


def test_a_refusal_is_not_asked_again_and_a_failure_as_often_as_said(remote):
    refused, failing = remote.path("1.2.3.1", 0), remote.path("1.2.3.2", 0)
    remote.store.faults = {refused: itertools.repeat(403), failing: itertools.repeat(500)}
    with pytest.raises(UserError, match=r"1 of 3 series are complete; 1\.2\.3\.1, 1\.2\.3\.2 failed\. s3://"):
        remote.download()
    assert remote.store.files_asked().count(refused) == 1
    assert remote.store.files_asked().count(failing) == 3


def test_a_connection_that_stays_silent_ends(remote):
    remote.store.pause_s = 5
    start = time.monotonic()
    with pytest.raises(UserError, match=r"nothing came for 0\.3 s"):
        remote.download()
    assert time.monotonic() - start < 4


def test_nobody_listens(remote):
    nobody = Server("http://127.0.0.1:9/{bucket}", timeout_s=0.3, tries=2, pause_s=0.01)
    with pytest.raises(
        UserError, match=r"s3://bucket/1-2-3-1/ could not be fetched: the connection failed \(NewConnectionError\)"
    ):
        remote.download(server=nobody, connections=1)


def test_a_server_that_is_down_is_not_asked_for_every_series(remote, monkeypatch):
    monkeypatch.setattr(series, "FAILURES_IN_A_ROW", 1)
    remote.store.faults["/bucket/"] = itertools.repeat(403)
    remote.store.pause_s = 0.05
    with pytest.raises(UserError, match=r"0 of 3 series are complete; 1\.2\.3\.1 failed\. s3://"):
        remote.download(connections=1)
    assert len(remote.store.asked) < 3


@pytest.mark.parametrize("fault", ["wrong", "series"])
def test_without_md5_the_header_decides(remote, fault):
    path = remote.path("1.2.3.3", 0)
    remote.store.etags[path] = "0123456789abcdef0123456789abcdef-2"
    remote.download()
    assert pd.read_csv(remote.receipt)["verified"].tolist() == ["md5", "md5", "size and header"]

    good = remote.store.objects[path]
    bad = b"?" * len(good) if fault == "wrong" else dicom("1.2.3.4", 0)
    assert len(bad) == len(good)
    remote.store.objects[path] = bad
    shutil.rmtree(remote.folder)
    found = r"\(unreadable\)" if fault == "wrong" else r"1\.2\.3\.4"
    with pytest.raises(UserError, match=rf"0\.dcm belongs to the series '{found}' instead of '1\.2\.3\.3'"):
        remote.download()
    assert remote.store.files_asked().count(path) == 3
    assert not (remote.folder / "PANCREAS_0002/1.2.3.3/0.dcm").exists()


def test_an_empty_or_incomplete_listing_is_refused(remote):
    for number in range(7):
        del remote.store.objects[remote.path("1.2.3.1", number)]
    with pytest.raises(UserError, match=r"s3://bucket/1-2-3-1/ holds 0 files instead of the manifest's 7"):
        remote.download()
    del remote.store.objects[remote.path("1.2.3.2", 2)]
    with pytest.raises(UserError, match=r"1 of 3 series are complete; .* holds \d files instead of the manifest's \d"):
        remote.download()


@pytest.mark.parametrize("key", ["../../evil.dcm", "/etc/evil.dcm", "sub/evil.dcm", "..", "", "a\\b.dcm", ".hidden"])
def test_a_key_that_is_no_plain_name_is_refused(remote, key):
    remote.store.objects[f"/bucket/1-2-3-3/{key}"] = b"evil"
    before = {path for path in remote.root.rglob("*") if "archive" not in path.parts}
    with pytest.raises(UserError, match=r"lists a file with the key .* which is no plain name below it"):
        remote.download()
    assert b"evil" not in remote.files().values()
    assert {path for path in remote.root.rglob("*") if "archive" not in path.parts} == before


@pytest.mark.parametrize(
    "answer", [b"<html><body>Log in<br></html>", b"<List><Contents><Key>a</Key></Contents></List>"]
)
def test_a_page_that_is_no_listing_is_refused(remote, answer, monkeypatch):
    monkeypatch.setattr(type(remote.store), "listing", lambda *_: answer)
    with pytest.raises(UserError, match="is answered by something else than a listing of files"):
        remote.download()


def test_the_disk_must_hold_what_is_missing_and_no_more(remote, monkeypatch):
    total = sum(map(len, remote.expected().values()))

    def free(size):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, size))

    free(int(1.05 * total) - 1)
    with pytest.raises(UserError, match=r"needs 0 MiB but only 0 MiB are free"):
        remote.download()
    assert remote.store.asked == []
    remote.download(patients=["PANCREAS_0002"])
    rest = sum(len(data) for name, data in remote.expected().items() if name.startswith("PANCREAS_0001"))
    free(int(1.05 * rest))
    remote.download()
    free(0)
    remote.download()


def test_a_folder_that_cannot_be_made_is_named(remote):
    (remote.root / "file").touch()
    with pytest.raises(UserError, match=r"The folder .*file/archive cannot be made \(Not a directory\)"):
        remote.download(folder=remote.root / "file" / "archive")


def test_a_folder_that_cannot_be_written_is_named(remote, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match=r"The folder .*archive cannot be written"):
        remote.download()


def start(remote, **settings):
    """Start a download in a process of its own."""
    code = (
        "import json, sys; from pathlib import Path; from explainct.data.download.archive import download_archive;"
        "from explainct.data.download.object_store import Server; a = json.loads(sys.argv[1]);"
        "p = {k: Path(a.pop(k)) for k in ('manifest_file', 'receipt_file')};"
        "download_archive(**p, server=Server(a.pop('endpoint')), **a)"
    )
    arguments = remote.arguments("nih_pancreas", remote.folder)
    arguments |= {"connections": 1, "endpoint": remote.store.endpoint, **settings}
    command = [sys.executable, "-c", code, json.dumps(arguments, default=str)]
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
    # Tests that run in the background ignore interrupts, and what they start would do so too.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, preexec_fn=heed)


def wait_for_files(remote, count):
    end = time.monotonic() + 20
    while len(remote.store.files_asked()) < count and time.monotonic() < end:
        time.sleep(0.01)
    assert len(remote.store.files_asked()) >= count


def test_a_killed_download_goes_on(remote):
    remote.store.pause_s = 0.1
    process = start(remote)
    wait_for_files(remote, 5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not remote.receipt.exists()
    kept = {name for name in remote.files() if not Path(name).name.startswith(".part.")}
    assert 4 <= len(kept) < 11
    remote.store.pause_s = 0
    remote.store.asked.clear()
    remote.download()
    missing = {path for name, path in remote.paths().items() if name not in kept}
    assert sorted(remote.store.files_asked()) == sorted(missing)
    assert remote.files() == remote.expected()
    assert remote.receipt.exists()


def test_an_interrupted_download_ends_at_once(remote):
    remote.store.pause_s = 0.2
    process = start(remote, connections=2)
    wait_for_files(remote, 2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=5)
    assert b"KeyboardInterrupt" in stderr
    assert len(remote.store.files_asked()) < 8
    assert not remote.receipt.exists()


def test_progress_is_logged(remote, monkeypatch, caplog):
    monkeypatch.setattr(progress, "EVERY_S", 0)
    with caplog.at_level(logging.INFO):
        remote.download(connections=1)
    lines = [record.getMessage() for record in caplog.records if "series," in record.getMessage()]
    assert lines[0].startswith("0 of 3 series, 0.00 of 0.00 GB, ")
    assert lines[-1].startswith("3 of 3 series, 0.00 of 0.00 GB, ")
    assert lines[-1].endswith(" MB/s")


def test_a_cancelled_download_takes_no_more_bytes():
    counter = progress.Progress(10, 1)
    counter.add(5)
    counter.cancel()
    with pytest.raises(CancelledError):
        counter.add(5)


def test_an_unknown_archive_or_patient_is_named(remote):
    with pytest.raises(UserError, match=r"`tcia` is no archive .* Choose one of lidc, msd_pancreas, nih_pancreas"):
        remote.download("tcia")
    with pytest.raises(UserError, match="nih_pancreas has no patient `LIDC-IDRI-0001`"):
        remote.download(patients=["PANCREAS_0001", "LIDC-IDRI-0001"])
