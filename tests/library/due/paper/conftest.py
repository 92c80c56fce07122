"""A small made-up cohort with a planted lesion per patient, and the files that a finished run would leave."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from explainct.data.samples.tasks import TASKS
from explainct.runtime.files import list_shards, write_parquet
from explainct.scoring.evaluate.explanation_file import write_explanations
from explainct.scoring.evaluate.score import score_run

GRID = (16, 32, 32)
METHODS = ("baseline", "baseline_plus", "due", "due_published")


def ball(centre, radius):
    z, y, x = np.meshgrid(*(np.arange(size) for size in GRID), indexing="ij")
    return ((z - centre[0]) / 0.6) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2


class PlantedStore:
    """Gives a ball of tissue in noisy lung for each lesion, as `SampleReader` would."""

    grid = GRID

    def _radius(self, sample):
        return 5 + int(sample.number) % 4

    def truth(self, samples):
        masks = [ball((8, 16, 16), self._radius(row)) & (row.label == 1) for _, row in samples.iterrows()]
        return np.array(masks, np.uint8)

    def images(self, samples):
        noise = [np.random.default_rng(int(row.number)).normal(0.2, 0.3, GRID) for _, row in samples.iterrows()]
        smooth = np.array([gaussian_filter(volume, 1.5) for volume in noise])
        return np.clip(smooth + 0.6 * self.truth(samples), 0, 1).astype(np.float32)

    def readers(self, sample):
        return np.array([ball((8, 16 + shift, 16 - shift), self._radius(sample)) for shift in (-1, 0, 2)], np.uint8)


def made_up_samples():
    rows = []
    for number in range(8):
        patient = f"LIDC-IDRI-{number + 1:04d}"
        box = {"k_start": 10, "k_stop": 22, "i_start": 100, "i_stop": 150, "j_start": 90, "j_stop": 130}
        common = {"lesion_id": f"{patient}-s1-n0", "patient_id": patient, "shard": 0, **box, "number": number}
        split = "train" if number in (2, 5) else "test"
        for suffix, label in (("p", 1), ("n03", 0)):
            row = {"sample_id": f"{patient}-s1-n0-{suffix}", "split": split, "label": label, **common}
            rows.append(row)
    return pd.DataFrame(rows).sort_values("sample_id", ignore_index=True)


def made_up_run(folder: Path, *, strength: float, samples, store, seeds=(0, 1, 2)):
    """Write predictions, maps and scores of a classifier whose attention finds lesions as well as `strength`."""
    test = samples[samples["split"] == "test"]
    lesions = test[test["label"] == 1]
    tables, maps = [], {}
    for seed in seeds:
        rng = np.random.default_rng([seed, int(100 * strength)])
        probability = np.clip(0.5 + strength * (test["label"] - 0.5) + rng.normal(0, 0.25, len(test)), 0, 1)
        predicted = (probability > 0.5).astype(int)
        tables.append(test[["sample_id", "label"]].assign(seed=seed, probability=probability, predicted=predicted))
        inside = np.zeros((len(lesions), 4, 4, 4))
        inside[:, 1:3, 1:3, 1:3] = strength
        maps[seed] = {name: inside + rng.random(inside.shape) * 0.5 for name in ("predicted", "true")}
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        name: folder / name for name in ("predictions.parquet", "explanations.h5", "metrics.parquet", "lesions.parquet")
    }
    write_parquet(pd.concat(tables), files["predictions.parquet"])
    write_explanations(files["explanations.h5"], lesions["sample_id"].tolist(), maps)
    metrics, lesion_metrics = score_run(
        predictions_file=files["predictions.parquet"],
        validation_file=files["predictions.parquet"],
        explanations_file=files["explanations.h5"],
        samples=samples,
        store=store,
        task=TASKS["lesion"],
        dims=3,
        threshold=0.5,
    )
    write_parquet(metrics, files["metrics.parquet"])
    write_parquet(lesion_metrics, files["lesions.parquet"])
    return files


def write_weights(path: Path, samples):
    """Write weights of the training lesions: an ellipsoid on annotated planes 3, 8 and 12, filled between them."""
    with h5py.File(path, "w") as file:
        for number, lesion in enumerate(samples.query("split == 'train' and label == 1")["lesion_id"]):
            filled = gaussian_filter(ball((8, 16, 16), 7).astype(float), (0.5, 1 + number, 1 + number))
            annotated = np.isin(np.arange(GRID[0]), (3, 8, 12))
            variance = np.where(annotated[:, None, None], 0, filled * (1 - filled))
            group = file.create_group(lesion)
            group["nearest"] = (filled > 0.5).astype(np.uint8)
            group["interpolated"] = filled.astype(np.float16)
            group["variance"] = variance.astype(np.float16)
            group["weight"] = (1 - 4 * variance).astype(np.float16)
            group["annotated"] = annotated
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The cohort and the files of four methods."""
    folder, samples, store = tmp_path_factory.mktemp("run"), made_up_samples(), PlantedStore()
    lesions = samples.query("label == 1").assign(spacing_z=2.5, spacing_y=0.7, spacing_x=0.7)
    lesions["scan_z_mm"] = [(2.5 * np.arange(100)).tolist()] * len(lesions)
    tables = {"samples": samples, "lesions": lesions}
    for name, table in tables.items():
        write_parquet(table, folder / f"{name}.parquet")
    strengths = zip(METHODS, (0.2, 0.5, 0.9, 0.7), strict=True)
    files = {
        name: made_up_run(folder / name, strength=value, samples=samples, store=store) for name, value in strengths
    }
    weights = write_weights(folder / "weights.h5", samples)
    list_shards(shard_files=[weights], shards_file=folder / "weights.csv")
    return SimpleNamespace(
        samples=samples,
        store=store,
        lesions=lesions,
        files=files,
        metrics={name: value["metrics.parquet"] for name, value in files.items()},
        explanations={name: value["explanations.h5"] for name, value in files.items()},
        weights=weights,
        samples_file=folder / "samples.parquet",
        lesions_file=folder / "lesions.parquet",
        weights_file=folder / "weights.csv",
    )
