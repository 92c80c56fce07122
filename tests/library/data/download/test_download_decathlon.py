"""Downloading a task's archive file, and taking the scans out of it."""

import hashlib
import itertools
import shutil
from collections import namedtuple

import pandas as pd
import pytest
from remote_archive import tar

from explainct.data.download import archive
from explainct.errors import UserError

NAME = "Task07_Pancreas.tar"
PATH = f"/msd/{NAME}"
SCANS = {
    "dataset.json": b"{}",
    "imagesTr/pancreas_001.nii.gz": bytes(range(256)) * 800,
    "labelsTr/pancreas_001.nii.gz": b"label" * 20_000,
}
MEMBERS = {
    "./._Task07_Pancreas": b"companion",
    "./Task07_Pancreas": "",
    "Task07_Pancreas/imagesTr": "",
    "Task07_Pancreas/imagesTr/._pancreas_001.nii.gz": b"companion",
    **{f"Task07_Pancreas/{name}": data for name, data in SCANS.items()},
}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def task(remote):
    """Offer the task's archive file, with its manifest."""

    def offer(members):
        remote.store.objects[PATH] = tar(members)
        md5 = hashlib.md5(remote.store.objects[PATH]).hexdigest()
        row = {"series_uid": "Task07_Pancreas", "url": remote.store.url + PATH, "md5": md5}
        pd.DataFrame([row]).to_csv(remote.root / "manifests" / "msd_pancreas.csv", index=False)
        return remote

    return offer


def test_scans_come_to_lie_in_the_folder_and_the_archive_file_goes(task):
    remote = task(MEMBERS)
    remote.download("msd_pancreas")
    assert remote.files() == SCANS
    receipt = pd.read_csv(remote.receipt).to_dict("records")
    size = sum(map(len, SCANS.values()))
    assert receipt == [{"series_uid": "Task07_Pancreas", "files": 3, "bytes": size, "verified": "md5"}]


@pytest.mark.parametrize("fault", ["cut", "stall", 500, "wrong", "short", "long", "whole"])
def test_a_fault_of_the_server_is_overcome(task, fault):
    remote = task(MEMBERS)
    # The first answer tells the size.
    remote.store.faults[PATH] = iter([None, fault])
    remote.download("msd_pancreas")
    assert remote.files() == SCANS


def test_a_cut_archive_file_is_continued_by_the_next_run(task):
    remote = task(MEMBERS)
    size = len(remote.store.objects[PATH])
    remote.store.faults[PATH] = itertools.chain([None, "cut"], itertools.repeat(500))
    with pytest.raises(UserError, match=r"Task07_Pancreas\.tar could not be fetched: the server answers 500"):
        remote.download("msd_pancreas")
    (part,) = remote.files().values()
    assert size // 2 - 2**16 <= len(part) <= size // 2
    assert not remote.receipt.exists()
    remote.store.faults.clear()
    remote.store.asked.clear()
    remote.download("msd_pancreas")
    assert [unit for method, _, unit in remote.store.asked if method == "GET"] == [f"bytes={len(part)}-"]
    assert remote.files() == SCANS


def test_another_archive_file_is_refused(task):
    remote = task(MEMBERS)
    remote.store.objects[PATH] = tar({**MEMBERS, "Task07_Pancreas/dataset.json": b"[]"})
    with pytest.raises(UserError, match=r"Task07_Pancreas\.tar has the MD5 \w{32} instead of \w{32}, in two downloads"):
        remote.download("msd_pancreas")
    assert remote.files() == {}
    assert not remote.receipt.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("../evil", b"x"),
        ("Task07_Pancreas/../../evil", b"x"),
        ("/tmp/evil", b"x"),
        ("Task07_Pancreas/imagesTr/link", "/etc"),
    ],
)
def test_a_member_that_leaves_the_folder_is_refused(task, name, content):
    remote = task({**MEMBERS, name: content})
    before = set(remote.root.iterdir()) | {remote.folder}
    with pytest.raises(UserError, match=r"tar holds '.*(evil|link)', which is no plain file or folder below it"):
        remote.download("msd_pancreas")
    assert set(remote.root.iterdir()) == before
    assert list(remote.files()) == [NAME]
    assert not remote.receipt.exists()


def test_a_run_that_ended_while_extracting_needs_no_download(task, monkeypatch):
    remote = task(MEMBERS)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            remote.download("msd_pancreas")
    assert list(remote.files()) == [NAME]
    with monkeypatch.context() as patch:
        patch.setattr(archive, "write_csv", lambda *_: (_ for _ in ()).throw(UserError("full")))
        with pytest.raises(UserError, match="full"):
            remote.download("msd_pancreas")
    remote.store.asked.clear()
    remote.download("msd_pancreas")
    assert remote.store.files_asked() == []
    assert remote.files() == SCANS


def test_the_disk_must_hold_the_archive_file_and_its_scans(task, monkeypatch):
    remote = task(MEMBERS)
    needed = int(2 * len(remote.store.objects[PATH]) * 1.05)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, needed - 1))
    with pytest.raises(UserError, match=r"archive needs 0 MiB but only 0 MiB are free"):
        remote.download("msd_pancreas")
    assert remote.store.files_asked() == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, needed))
    remote.download("msd_pancreas")
    assert remote.files() == SCANS


def test_a_server_that_tells_no_size_is_reported(task):
    remote = task(MEMBERS)
    remote.store.faults[PATH] = itertools.repeat("unsized")
    with pytest.raises(UserError, match=r"has no size by its server's answer \(''\)"):
        remote.download("msd_pancreas")
