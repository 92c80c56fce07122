"""The state of archives changes with what lies in them."""

import os

import pytest

from explainct.data.datasets.fingerprint import folders_state


def test_state_follows_patients_and_series(tmp_path):
    (tmp_path / "LIDC-IDRI-0001").mkdir()
    states = [folders_state([tmp_path])]
    assert folders_state([tmp_path]) == states[0]
    (tmp_path / "LIDC-IDRI-0002").mkdir()
    states.append(folders_state([tmp_path]))
    (tmp_path / "LIDC-IDRI-0002/series").mkdir()
    os.utime(tmp_path / "LIDC-IDRI-0002", (1, 1))
    states.append(folders_state([tmp_path]))
    assert len(set(states)) == 3


def test_a_missing_archive_and_the_order_do_not_matter(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.mkdir()
    assert folders_state([one, other]) == folders_state([other, one])


@pytest.fixture
def archive(tmp_path):
    """An archive with a file three levels down, a hidden file beside it, and a hidden folder."""
    series = tmp_path / "LIDC-IDRI-0001/study/series"
    (series / ".trash").mkdir(parents=True)
    for name in ("1.dcm", ".DS_Store", ".trash/2.dcm"):
        (series / name).write_bytes(b"cut")
    return series


@pytest.mark.parametrize("change", ["repair", "touch", "add", "remove", "rename", "link"])
def test_a_file_that_changes_three_levels_down_is_seen(tmp_path, archive, change):
    before, file = folders_state([tmp_path]), archive / "1.dcm"
    folder_times = [(folder, folder.stat().st_mtime_ns) for folder in (archive, archive.parent, archive.parents[1])]
    times = file.stat().st_mtime_ns
    if change == "repair":
        file.write_bytes(b"whole")
        os.utime(file, ns=(times, times))
    elif change == "touch":
        os.utime(file, ns=(1, 1))
    elif change == "add":
        (archive / "3.dcm").touch()
    elif change == "remove":
        file.unlink()
    elif change == "rename":
        file.rename(archive / "3.dcm")
    else:
        (archive / "3.dcm").symlink_to(file)
    for folder, time in folder_times:
        os.utime(folder, ns=(time, time))
    assert folders_state([tmp_path]) != before


def test_hidden_files_and_times_of_folders_are_not_looked_at(tmp_path, archive):
    before = folders_state([tmp_path])
    (archive / ".DS_Store").write_bytes(b"another")
    (archive / ".trash/2.dcm").unlink()
    (archive / ".new").touch()
    os.utime(archive, ns=(1, 1))
    assert folders_state([tmp_path]) == before


def test_names_of_any_bytes_and_folders_that_cannot_be_listed_have_a_state(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.dcm")).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert folders_state([tmp_path]) == folders_state([tmp_path])
    assert folders_state([tmp_path / "none"]) == folders_state([str(tmp_path / "none")])
