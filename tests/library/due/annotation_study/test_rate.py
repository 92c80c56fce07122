"""What trains, rated: filled annotations against the consensus on all slices."""

import h5py
import numpy as np
import pandas as pd
import pytest

from explainct.due.annotation_study import rate
from explainct.runtime.files import list_shards
from explainct.scoring.statistics.bootstrap import patient_interval

GRID = (4, 5, 6)
LESIONS = ["a", "b", "c", "empty"]


class Store:
    """Gives random annotations, and none of the lesion `empty`."""

    def truth(self, samples):
        generator = np.random.default_rng(7)
        truth = generator.integers(0, 2, (len(samples), *GRID)).astype(np.uint8)
        truth[(samples["lesion_id"] == "empty").to_numpy()] = 0
        return truth


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return the table of samples, and the list of the two files of filled annotations."""
    monkeypatch.setattr(rate.SampleReader, "from_files", lambda **_: Store())
    samples = pd.DataFrame({"lesion_id": LESIONS, "patient_id": ["p", "p", "q", "r"], "split": "train", "label": 1})
    others = samples.assign(split="test", lesion_id="t"), samples.assign(label=0)
    table = pd.concat([samples, *others], ignore_index=True)
    table["sample_id"] = [f"{name}-{number}" for number, name in enumerate(table["lesion_id"])]
    table.to_parquet(tmp_path / "samples.parquet")
    generator = np.random.default_rng(0)
    shards = [tmp_path / "0.h5", tmp_path / "1.h5"]
    for path, lesions in zip(shards, ("ac", ["b", "empty"]), strict=True):
        with h5py.File(path, "w") as file:
            for name in lesions:
                file[f"{name}/nearest"] = generator.integers(0, 2, GRID, dtype=np.uint8)
                file[f"{name}/interpolated"] = generator.random(GRID).astype(np.float16)
                file[f"{name}/signed_distance"] = generator.random(GRID).astype(np.float16)
    list_shards(shard_files=shards, shards_file=tmp_path / "shards.csv")
    return tmp_path / "samples.parquet", tmp_path / "shards.csv", shards


def test_filled_annotations_are_compared_with_the_full_consensus(files, tmp_path):
    samples_file, listed, shards = files
    out = tmp_path / "annotations.csv"
    rate.rate_annotations(
        lesions_file=tmp_path,
        slices_file=tmp_path,
        samples_file=samples_file,
        crops_file=tmp_path,
        weights_files=[listed],
        conditions=[("single", "3")],
        reading={},
        seed=1,
        annotations_file=out,
    )
    table = pd.read_csv(out).set_index("annotation")
    truth = Store().truth(pd.DataFrame({"lesion_id": LESIONS}))
    assert list(table.index) == ["nearest", "interpolated", "signed_distance"]
    assert table[["outlines", "slices", "lesions"]].to_numpy().tolist() == [["single", 3, 3]] * 3
    filled = {}
    for path in shards:
        with h5py.File(path) as file:
            filled |= {(name, way): file[name][way][:] > 0.5 for name in file for way in table.index}
    for way, row in table.iterrows():
        scores = []
        for name in "abc":
            inside, true = filled[name, way], truth[LESIONS.index(name)] > 0
            scores.append((inside & true).sum() / (inside | true).sum())
        expected = patient_interval(np.array(scores), np.array(["p", "p", "q"]), seed=1)
        np.testing.assert_allclose(row[["mean", "low", "high"]].astype(float), expected, rtol=1e-5)
