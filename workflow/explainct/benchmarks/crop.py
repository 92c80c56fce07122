"""Measure what a crop costs: time and memory of reading a nodule's box, next to SimpleITK's reading of the series."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
from pydicom.uid import ExplicitVRLittleEndian

from explainct.benchmarks import crop_reader as benchmark_reader
from explainct.data.ingest.dicom_index import index_dicom
from explainct.data.ingest.dicom_io import write_ct_series
from explainct.runtime.files import require_space, write_csv, write_json
from explainct.runtime.volume import Box, Volume

NODULE = (20, 48, 48)
"""Slices, rows and columns of the box."""

SIDES = ("ours", "other")
REPEATS = 3


def benchmark_crop(*, out_file: Path, tmpdir: Path, slices: int = 400, size: int = 512) -> None:
    """Time the index and the crop of a synthetic CT series, and write the best of three as a CSV table.

    The row `index` compares `index_dicom`, which checks every header, with SimpleITK's search for the files of a
    series, which does not. The row `crop` compares `read_crop`, for files known from the index, with SimpleITK's
    ImageSeriesReader, which reads all files and then takes the box. Each runs in a process of its own, by turns;
    seconds leave out the start of the process, and megabytes (2^20 bytes) are the peak of all of it. The files are
    uncompressed, which SimpleITK needs, and lie in the cache of the operating system for both.

    Args:
        out_file: CSV file to write, with the columns `case`, `seconds_ours`, `seconds_other`, `speedup` (other / ours),
            `megabytes_ours`, `megabytes_other`, `files_opened` (by ours), `slices_needed`, and `equal` (both found the
            same files in the same order, or the same voxels).
        tmpdir: folder where the series is kept while it is read.
        slices: slices of the series.
        size: rows and columns of a slice.

    Raises:
        UserError: the folder's disk is too small.
    """
    require_space(tmpdir, 2 * 2 * slices * size**2)
    with tempfile.TemporaryDirectory(dir=tmpdir) as temporary:
        series = Path(temporary, "series").resolve()
        _write_series(series, slices, size)
        files = index_dicom(series, exclude=[], on_problem="stop").files[0]
        box = _nodule_box(slices, size)
        task = Path(temporary, "task.json")
        write_json({"folder": str(series), "files": list(files), "start": box.start, "stop": box.stop}, task)
        needed = {"index": slices, "crop": box.shape[0]}
        rows = [{"case": case, **_compare(case, task), "slices_needed": count} for case, count in needed.items()]
    columns = ["case", "seconds_ours", "seconds_other", "speedup", "megabytes_ours", "megabytes_other"]
    write_csv(pd.DataFrame(rows)[[*columns, "files_opened", "slices_needed", "equal"]], out_file)


def _nodule_box(slices: int, size: int) -> Box:
    """Return the box in the middle of the series, at most half of it along each axis."""
    shape = np.minimum(NODULE, np.array([slices, size, size]) // 2)
    start = (np.array([slices, size, size]) - shape) // 2
    return Box(tuple(start.tolist()), tuple((start + shape).tolist()))


def _write_series(folder: Path, slices: int, size: int) -> None:
    """Write a series without compression in which each voxel differs from its neighbours."""
    k, i, j = np.ogrid[:slices, :size, :size]
    array = ((7 * k + 3 * i + j) % 2000 - 1000).astype(np.int16)
    names = [f"{slices - number:06d}.dcm" for number in range(slices)]
    volume = Volume(array, spacing=(1.25, 0.7, 0.7))
    write_ct_series(volume, folder, study_uid="1.2", series_uid="1.2.3", patient_id="SYNTHETIC", file_names=names)
    for name in names:
        dataset = pydicom.dcmread(folder / name)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / name)


def _compare(case: str, task: Path) -> dict[str, Any]:
    """Run both sides of a case by turns, and return the columns of its row."""
    runs: dict[str, list[Mapping[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(REPEATS):
        for side in SIDES:
            runs[side].append(_run(f"{case}_{side}", task))
    row = {
        f"{quantity}_{side}": min(run[quantity] for run in runs[side])
        for quantity in ("seconds", "megabytes")
        for side in SIDES
    }
    return row | {
        "speedup": row["seconds_other"] / row["seconds_ours"],
        "files_opened": runs["ours"][0]["files_opened"],
        "equal": len({run["result"] for side in SIDES for run in runs[side]}) == 1,
    }


def _run(reader: str, task: Path) -> Mapping[str, Any]:
    """Run a reader in a process of its own and return what it measured."""
    python = [sys.executable, "-m", benchmark_reader.__name__, reader, str(task)]
    # A process starts with the peak memory of the one that started it, which is this one's without a shell between.
    command = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *python]
    environment = os.environ | {"PYTHONPATH": str(Path(benchmark_reader.__file__).parents[2])}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
