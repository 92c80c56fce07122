"""Measure one reading of a CT series in a process of its own.

`python -m explainct.benchmarks.crop_reader <reader> <task.json>` prints seconds, peak megabytes,
the number of files opened and a hash of the result as JSON. Each reader imports only what it needs, since its memory is
measured.
"""

import hashlib
import json
import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

Task = Mapping[str, Any]

# The unit of the peak memory differs between operating systems.
MEBIBYTE = 2**20 if sys.platform == "darwin" else 2**10


def index_ours(task: Task) -> Callable[[], bytes]:
    """Index the folder."""
    from explainct.data.ingest.dicom_index import index_dicom

    def read() -> bytes:
        """Return the names of the files of the first series, a line each."""
        table = index_dicom(Path(task["folder"]), exclude=[], on_problem="stop")
        return "\n".join(table.files[0]).encode()

    return read


def index_other(task: Task) -> Callable[[], bytes]:
    """Let SimpleITK find the files of the series."""
    import SimpleITK as sitk

    def read() -> bytes:
        """Return the names of the files that SimpleITK finds, a line each."""
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(task["folder"])
        return "\n".join(Path(file).name for file in files).encode()

    return read


def crop_ours(task: Task) -> Callable[[], bytes]:
    """Read the box from the slices that hold it."""
    from explainct.data.ingest.dicom_io import read_crop
    from explainct.runtime.volume import Box

    files = [Path(task["folder"], name) for name in task["files"]]
    box = Box(tuple(task["start"]), tuple(task["stop"]))
    return lambda: read_crop(files, box).tobytes()


def crop_other(task: Task) -> Callable[[], bytes]:
    """Let SimpleITK read the whole series, and take the box."""
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(Path(task["folder"], name)) for name in task["files"]])
    box = tuple(slice(start, stop) for start, stop in zip(task["start"], task["stop"], strict=True))

    def read() -> bytes:
        """Return the voxels of the box as int16, in HU."""
        image = reader.Execute()
        return sitk.GetArrayViewFromImage(image)[box].astype("int16").tobytes()

    return read


READERS = {reader.__name__: reader for reader in (index_ours, index_other, crop_ours, crop_other)}


def measure(read: Callable[[], bytes], folder: str) -> dict[str, Any]:
    """Call `read` once and return what it cost.

    Returns:
        `seconds`; `megabytes`, the peak memory of this process in MiB; `files_opened`, how many files of `folder`
        Python opened; `result`, the SHA-256 of what `read` returned.
    """
    opened = set()

    def note(event: str, arguments: tuple) -> None:
        """Note the file of an audit event, where it opens one of the folder."""
        if event == "open" and str(arguments[0]).startswith(folder):
            opened.add(str(arguments[0]))

    sys.addaudithook(note)
    start = perf_counter()
    content = read()
    seconds = perf_counter() - start
    return {
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE,
        "files_opened": len(opened),
        "result": hashlib.sha256(content).hexdigest(),
    }


if __name__ == "__main__":
    task = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    json.dump(measure(READERS[sys.argv[1]](task), task["folder"]), sys.stdout)
