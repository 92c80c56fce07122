"""Writing files so that a result is either whole or absent."""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from explainct.errors import UserError

MEBIBYTE = 2**20
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk that is full, or of a quota that is used up, as clusters have them."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`.

    After an error nothing is left behind. A full disk is reported in one sentence.

    Raises:
        UserError: no space was left on the device.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name keeps its end, since several writers choose the file format by it.
    temporary = path.with_name(f".part.{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise UserError(disk_full_message(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def is_disk_full(error: BaseException | None) -> bool:
    """Tell whether `error`, or one that it came from, says that the disk is full, or the user's share of it.

    HDF5 closes a file that it could not write with an error of its own, which has no error number.
    """
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(os.strerror(number) in str(error) for number in FULL):
            return True
        error = error.__context__
    return False


def disk_full_message(path: Path) -> str:
    """Return the sentence that a user reads when `path` could not be written for lack of space."""
    free = shutil.disk_usage(path.parent).free // MEBIBYTE
    return (
        f"No space left on the device while writing {path} ({free} MiB free; a quota may allow less). "
        "Free some space and repeat the command."
    )


def require_space(folder: str | Path, needed_bytes: int) -> None:
    """Check that `needed_bytes` (bytes) fit on the disk that holds `folder`.

    Raises:
        UserError: less space is free than needed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise UserError(
            f"{folder} needs {needed_bytes // MEBIBYTE} MiB but only {free // MEBIBYTE} MiB are free. "
            "Free some space and repeat the command."
        )


def write_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Write `table` to a Parquet file, whole or not at all."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write `table` to a CSV file with 6 significant digits, whole or not at all."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def list_shards(*, shard_files: Sequence[Path], shards_file: Path) -> None:
    """Write a table of files with size and time of change, so that it differs when one of them was made anew.

    Args:
        shard_files: the files.
        shards_file: the CSV file to write, with columns `path`, `bytes`, `modified_ns`.
    """
    rows = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in shard_files]
    write_csv(pd.DataFrame(rows, columns=["path", "bytes", "modified_ns"]), shards_file)


def read_shards(path: str | Path) -> list[Path]:
    """Return the files that a table of `list_shards` lists.

    Raises:
        UserError: one of them is gone.
    """
    paths = [Path(name) for name in pd.read_csv(path)["path"]]
    for shard in paths:
        if not shard.is_file():
            raise UserError(f"{shard} is gone, but {path} lists it. Delete {path} too and repeat the command.")
    return paths


def write_text(text: str, path: str | Path) -> None:
    """Write `text` to a UTF-8 file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(content: Any, path: str | Path) -> None:
    """Write `content` to an indented JSON file with sorted keys, whole or not at all."""
    write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", path)
