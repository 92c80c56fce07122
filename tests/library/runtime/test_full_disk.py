"""On a disk that is full no writer leaves a file, takes a cut one for whole, or crashes."""

import errno
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from fake_snakemake import fake_snakemake
from matplotlib.figure import Figure
from small_disk import SmallDisk

from explainct.data.ingest.dicom_io import write_ct_series
from explainct.errors import UserError
from explainct.report.plot_style import save_figure
from explainct.runtime import checkpoint
from explainct.runtime.files import is_disk_full, write_csv, write_json, write_parquet, write_text
from explainct.runtime.hdf5 import writing_hdf5
from explainct.runtime.job import job
from explainct.runtime.log_file import LogFile
from explainct.runtime.volume import Volume, write_volume

LIBRARY = Path(__file__).parents[3] / "workflow/explainct"
NOISE = np.random.default_rng(0).random((60, 40, 40), np.float32)
"""384 KB that no format makes small."""


def write_arrays(path: Path, compression: str | None) -> None:
    with writing_hdf5(path) as file:
        for number, array in enumerate(NOISE):
            file.create_group(str(number)).create_dataset("array", data=array, compression=compression)


def draw(path: Path) -> None:
    figure = Figure()
    figure.subplots().imshow(NOISE.reshape(240, 400), interpolation="nearest")
    save_figure(figure, path)


def write_series(path: Path) -> None:
    volume, names = Volume((1000 * NOISE).astype(np.int16), (1.0, 1.0, 1.0)), [f"{number}.dcm" for number in range(60)]
    write_ct_series(volume, path, study_uid="1.2", series_uid="1.2.3", patient_id="P", file_names=names)


TABLE = pd.DataFrame(NOISE.reshape(-1, 40)).rename(columns=str)
WRITERS = {
    "plain.h5": lambda path: write_arrays(path, None),
    "packed.h5": lambda path: write_arrays(path, "gzip"),
    "volume.nii.gz": lambda path: write_volume(Volume(NOISE, (1.0, 1.0, 1.0)), path),
    "table.csv": lambda path: write_csv(TABLE, path),
    "table.parquet": lambda path: write_parquet(TABLE, path),
    "text.md": lambda path: write_text("x" * 10**6, path),
    "values.json": lambda path: write_json(NOISE.tolist(), path),
    "model.pt": lambda path: checkpoint.save({"weights": torch.from_numpy(NOISE)}, path),
    "figure.png": draw,
    "figure.pdf": draw,
}


@pytest.fixture
def disk(tmp_path):
    """A disk of its own."""
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.unmount()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("free", [0, 100_000])
@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_says_so_and_leaves_nothing(disk, name, free):
    disk.leave(free)
    with pytest.raises(UserError, match=rf"^No space left on the device while writing \S+/{re.escape(name)} \(\d+ MiB"):
        WRITERS[name](disk.folder / name)
    assert list(disk.folder.iterdir()) == []
    disk.grow()
    WRITERS[name](disk.folder / name)
    assert [path.name for path in disk.folder.iterdir()] == [name]


def test_a_series_keeps_its_whole_slices_only(disk):
    disk.leave(100_000)
    with pytest.raises(UserError, match="No space left on the device while writing"):
        write_series(disk.folder / "series")
    sizes = {path.name: path.stat().st_size for path in (disk.folder / "series").iterdir()}
    disk.grow()
    write_series(disk.folder / "series")
    assert {name: (disk.folder / "series" / name).stat().st_size for name in sizes} == sizes


def test_who_writes_many_groups_hears_of_a_full_disk_before_the_end(disk):
    disk.leave(100_000)
    begun = []

    def write_all():
        with writing_hdf5(disk.folder / "a.h5") as file:
            for number, array in enumerate(NOISE):
                group = file.create_group(str(number))
                begun.append(group.create_dataset("array", data=array).shape)

    with pytest.raises(UserError, match="No space left"):
        write_all()
    assert 5 < len(begun) < 30


def test_an_hdf5_file_reads_as_it_was_written(tmp_path):
    write_arrays(tmp_path / "a.h5", "gzip")
    write_arrays(tmp_path / "b.h5", "gzip")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(np.stack([file[str(n)]["array"][:] for n in range(len(NOISE))]), NOISE)


def test_an_error_of_the_writer_leaves_no_hdf5_file(tmp_path):
    def fail():
        with writing_hdf5(tmp_path / "a.h5") as file:
            file["x"] = 1
            raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_log_without_space_hides_no_message(disk, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (disk.folder / "other").write_text("x")
    disk.leave(0)

    def fail():
        with job(fake_snakemake(disk.folder / "a.log")):
            logging.info("begun")
            raise UserError("wrong")

    with pytest.raises(SystemExit, match="1"):
        fail()
    said = capsys.readouterr().err
    assert said.count("No space is left for the log") == 1
    assert "INFO begun" in said
    assert "ERROR wrong" in said
    assert "Traceback" not in said
    assert (disk.folder / "a.log").stat().st_size == 0


def test_a_log_that_cannot_even_be_begun_is_done_without(tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(Path, "mkdir", refuse)
    log = LogFile(tmp_path / "logs/a.log")
    log.handle(logging.makeLogRecord({"msg": "said"}))
    log.close()
    assert "No space is left for the log" in capsys.readouterr().err


def test_a_log_that_may_not_be_written_is_an_error(tmp_path):
    with pytest.raises(IsADirectoryError):
        LogFile(tmp_path)


def test_a_used_up_quota_is_a_full_disk():
    assert is_disk_full(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)))
    assert not is_disk_full(OSError(errno.EACCES, os.strerror(errno.EACCES)))


def test_a_process_that_could_not_write_hdf5_ends_in_order(disk, tmp_path):
    script = f"""
import numpy as np
from explainct.runtime.hdf5 import writing_hdf5
from explainct.runtime.job import job
from fake_snakemake import fake_snakemake
with job(fake_snakemake({str(disk.folder / "a.log")!r})), writing_hdf5({str(disk.folder / "a.h5")!r}) as file:
    for number in range(100):
        file[f"{{number}}/array"] = np.ones(2000)
"""
    disk.leave(100_000)
    environment = {"PYTHONPATH": f"{LIBRARY.parent}:{Path(__file__).parents[2] / 'helpers'}"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left on the device while writing" in done.stderr


def test_results_are_written_by_what_keeps_them_whole_only():
    ways = re.compile(
        r"\.to_(?:csv|parquet|json|excel)\(|\.savefig\(|torch\.save\(|h5py\.File\([^)]*[\"'][wa]|WriteImage\("
    )
    found = {
        path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py") if ways.search(path.read_text("utf-8"))
    }
    assert found == {
        "runtime/files.py",
        "report/plot_style.py",
        "runtime/checkpoint.py",
        "learning/train/progress_plot.py",
        "runtime/volume.py",
        "data/export/formats/label_map_writer.py",
        "data/export/formats/points_writer.py",
    }
