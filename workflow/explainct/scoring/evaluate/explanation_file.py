"""The file of explanations: raw class activation maps of the test lesions, of every seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from explainct.errors import UserError
from explainct.runtime.hdf5 import writing_hdf5

EXPLAINED_CLASSES = ("predicted", "true")


def write_explanations(
    path: str | Path, sample_ids: Sequence[str], maps: Mapping[int, Mapping[str, np.ndarray]]
) -> None:
    """Write the maps of every seed and explained class.

    Args:
        path: HDF5 file to write: `sample_id` [N], and per seed a group `seed{seed}` with `predicted` and `true`.
        sample_ids: N samples, in the order of the maps.
        maps: by seed and explained class, raw maps [N, d, h, w] before any post-processing.
    """
    with writing_hdf5(path) as file:
        file.create_dataset("sample_id", data=list(sample_ids), dtype=h5py.string_dtype())
        for seed in sorted(maps):
            for name in EXPLAINED_CLASSES:
                data = np.asarray(maps[seed][name], np.float32)
                file.create_dataset(f"seed{seed}/{name}", data=data, compression="gzip")


def read_sample_ids(path: str | Path) -> list[str]:
    """Return the N sample ids of a file of explanations, in the order of its maps."""
    with h5py.File(path) as file:
        return file["sample_id"].asstr()[()].tolist()


def read_seeds(path: str | Path) -> list[int]:
    """Return the seeds of a file of explanations, in rising order."""
    with h5py.File(path) as file:
        return sorted(int(name.removeprefix("seed")) for name in file if name != "sample_id")


def read_explanations(path: str | Path, seed: int, explained_class: str) -> np.ndarray:
    """Return the raw maps [N, d, h, w] of one seed for the `predicted` or the `true` class.

    Raises:
        UserError: the file holds no such maps.
    """
    with h5py.File(path) as file:
        name = f"seed{seed}/{explained_class}"
        if name not in file:
            raise UserError(f"{path} holds no maps {name}, expected one of every seed. Delete the file and repeat.")
        return file[name][()]
