"""Ellipsoid lesions of a few patients, as tables and slices on disk."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from slice_examples import disc, lesion_of

from explainct.due.interpolation.diffusion import Interpolator
from explainct.due.interpolation.regression import Regression
from explainct.due.interpolation.slice_patches import LesionPatches
from explainct.runtime.device import Compute

SPLITS = ("train", "train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    lesions_file: Path
    slices_file: Path
    splits_file: Path

    @property
    def lesions(self) -> pd.DataFrame:
        return pd.read_parquet(self.lesions_file)

    @property
    def splits(self) -> pd.DataFrame:
        return pd.read_parquet(self.splits_file)

    @property
    def paths(self) -> dict:
        return {name: getattr(self, name) for name in ("lesions_file", "slices_file", "splits_file")}


def ellipsoid(slices: int, rows: int, columns: int) -> np.ndarray:
    """Return a mask [K, h, w] that fills its box; every slice holds something."""
    axes = [(np.arange(size) - (size - 1) / 2) / (size / 2) for size in (slices, rows, columns)]
    k, i, j = np.meshgrid(*axes, indexing="ij")
    return (k**2 + i**2 + j**2 < 1).astype(np.uint8)


def write_dataset(folder: Path, slices: int = 7, splits: tuple[str, ...] = SPLITS) -> Dataset:
    dataset = Dataset(folder / "lesions.parquet", folder / "slices.h5", folder / "splits.parquet")
    rows = []
    with h5py.File(dataset.slices_file, "w") as file:
        for number in range(len(splits) + 1):
            mask = ellipsoid(slices, 9 + number, 12 - number)
            name = f"P{number}-s0-n0"
            group = file.create_group(name)
            annotated = mask.any(axis=(1, 2))
            group["consensus"], group["z_mm"], group["annotated"] = mask, 2.5 * np.arange(slices), annotated
            # The second reader leaves out a row.
            group["readers"] = np.stack([mask, np.concatenate([np.zeros_like(mask[:, :1]), mask[:, 1:]], axis=1)])
            start = (10, 200, 300)
            box = {f"{axis}_start": low for axis, low in zip("kij", start, strict=True)}
            box |= {f"{axis}_stop": low + size for axis, low, size in zip("kij", start, mask.shape, strict=True)}
            spacing = {"spacing_z": 2.5, "spacing_y": 0.7, "spacing_x": 0.7}
            scan = {
                "label": 1,
                "in_cohort": number < len(splits),
                "scan_slices": 100,
                "scan_rows": 512,
                "scan_columns": 512,
            }
            rows.append({"lesion_id": name, "patient_id": f"P{number}", **scan, **spacing, **box})
    pd.DataFrame(rows).to_parquet(dataset.lesions_file)
    table = {"patient_id": [f"P{number}" for number in range(len(splits))], "split": splits}
    pd.DataFrame(table).to_parquet(dataset.splits_file)
    return dataset


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    """Five patients with a lesion of 7 slices each; the last one is outside the cohort."""
    return write_dataset(tmp_path)


@pytest.fixture
def make_dataset(tmp_path):
    """Write another dataset, with the arguments of `write_dataset`."""
    return lambda **arguments: write_dataset(tmp_path, **arguments)


@pytest.fixture
def settings() -> dict:
    return {
        "size": 32,
        "channels": [8, 16],
        "steps": 3,
        "epochs": 3,
        "steps_per_epoch": 2,
        "batch_size": 4,
        "learning_rate": 0.001,
        "ema": 0.9,
        "max_gap": 4,
        "filling": "direct",
        "draws": 2,
    }


@pytest.fixture
def compute() -> Compute:
    return Compute(torch.device("cpu"), torch.float32, torch.contiguous_format)


@pytest.fixture
def interpolator(settings) -> Interpolator:
    """An untrained model; layers that MONAI starts at zero are drawn anew."""
    return untrained(Interpolator, settings)


@pytest.fixture
def regression(settings) -> Regression:
    """An untrained regression model, likewise."""
    return untrained(Regression, settings)


def untrained(kind: type, settings: dict) -> Interpolator | Regression:
    torch.manual_seed(0)
    model = kind(settings).eval()
    for weights in model.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.3)
    return model


@pytest.fixture
def lesion() -> LesionPatches:
    """Seven discs, each larger than the one before, unevenly spaced."""
    return lesion_of([disc(1.5 + number) for number in range(7)], [0, 1, 3, 4, 6, 7, 9])
