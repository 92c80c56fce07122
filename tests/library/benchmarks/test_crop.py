"""The benchmark of crops, on a tiny series."""

import numpy as np
import pandas as pd
import pytest

from explainct.benchmarks import crop as benchmark
from explainct.benchmarks.crop import _run, _write_series, benchmark_crop
from explainct.benchmarks.crop_reader import READERS, measure
from explainct.errors import UserError
from explainct.runtime.files import MEBIBYTE, write_json


def test_table_compares_equal_readings_of_the_needed_files(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "REPEATS", 1)
    benchmark_crop(out_file=tmp_path / "crop.csv", tmpdir=tmp_path / "work", slices=12, size=64)
    table = pd.read_csv(tmp_path / "crop.csv").set_index("case")
    assert list(table.columns) == [
        *("seconds_ours", "seconds_other", "speedup", "megabytes_ours", "megabytes_other"),
        *("files_opened", "slices_needed", "equal"),
    ]
    assert table.slices_needed.to_dict() == {"index": 12, "crop": 6}
    assert (table.files_opened == table.slices_needed).all()
    assert table.equal.all()
    assert (table.select_dtypes("number") > 0).all(axis=None)
    assert table.speedup.tolist() == pytest.approx((table.seconds_other / table.seconds_ours).tolist(), rel=1e-4)
    assert not list((tmp_path / "work").iterdir())


def test_readers_return_the_files_in_order_and_the_voxels_of_the_box(tmp_path):
    _write_series(tmp_path, 6, 16)
    files = [f"{6 - k:06d}.dcm" for k in range(6)]
    task = {"folder": str(tmp_path), "files": files, "start": (2, 3, 4), "stop": (4, 8, 10)}
    results = {name: reader(task)() for name, reader in READERS.items()}
    k, i, j = np.mgrid[2:4, 3:8, 4:10]
    voxels = ((7 * k + 3 * i + j) % 2000 - 1000).astype(np.int16).tobytes()
    names = "\n".join(files).encode()
    assert results == {"index_ours": names, "index_other": names, "crop_ours": voxels, "crop_other": voxels}


def test_memory_is_that_of_the_reading_process_alone(tmp_path):
    ballast = bytearray(b"x") * (500 * MEBIBYTE)
    write_json({"folder": str(tmp_path)}, tmp_path / "task.json")
    assert _run("index_other", tmp_path / "task.json")["megabytes"] < len(ballast) / MEBIBYTE / 2


def test_opened_files_of_the_folder_are_counted_once(tmp_path):
    for name in ("in/a", "in/b", "out"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())

    def read() -> bytes:
        return b"".join((tmp_path / name).read_bytes() for name in ("in/a", "in/b", "in/a", "out"))

    assert measure(read, str(tmp_path / "in"))["files_opened"] == 2


def test_too_small_a_disk_is_said_first(tmp_path):
    with pytest.raises(UserError, match="MiB are free"):
        benchmark_crop(out_file=tmp_path / "crop.csv", tmpdir=tmp_path / "work", slices=10**6, size=10**4)
    assert not list((tmp_path / "work").iterdir())
