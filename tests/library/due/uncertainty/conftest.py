"""Small lesions in files as extract_annotations and plan_samples write them."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from lesion_examples import SLICES, SPACING_Z, ellipsoid, lesion_row, untrained_interpolator

from explainct.due.interpolation.model_file import save_model
from explainct.runtime.device import choose_compute


@pytest.fixture
def cohort(tmp_path: Path) -> SimpleNamespace:
    """Six patients with a lesion each, every second slice annotated: four train, one validates, one tests."""
    lesions = pd.DataFrame([lesion_row(number) for number in range(6)])
    files = SimpleNamespace(
        lesions_file=tmp_path / "lesions.parquet",
        slices_file=tmp_path / "slices.h5",
        splits_file=tmp_path / "splits.parquet",
        samples_file=tmp_path / "samples.parquet",
        model_file=tmp_path / "interpolator.pt",
    )
    lesions.to_parquet(files.lesions_file)
    split = ["train", "train", "validation", "train", "test", "train"]
    pd.DataFrame({"patient_id": lesions["patient_id"], "split": split}).to_parquet(files.splits_file)
    boxes = [f"{axis}_{end}" for end in ("start", "stop") for axis in "kij"]
    samples = lesions[["lesion_id", "patient_id", *boxes]].assign(split=split, shard=[0, 1, 0, 1, 0, 0])
    parts = [
        samples.assign(label=label, sample_id=samples["lesion_id"] + end) for label, end in ((1, "-p"), (0, "-n00"))
    ]
    pd.concat(parts).to_parquet(files.samples_file)
    with h5py.File(files.slices_file, "w") as file:
        for number, lesion_id in enumerate(lesions["lesion_id"]):
            consensus = ellipsoid(number)
            annotated = consensus.any((1, 2)) & (np.arange(SLICES) % 2 == 0)
            content = {
                "consensus": consensus,
                "readers": consensus[None],
                "annotated": annotated,
                "z_mm": -50.0 + SPACING_Z * np.arange(SLICES),
            }
            for name, values in content.items():
                file[f"{lesion_id}/{name}"] = values
    save_model(untrained_interpolator(), files.model_file)
    return files


@pytest.fixture(scope="session", autouse=True)
def compute():
    return choose_compute("cpu")
