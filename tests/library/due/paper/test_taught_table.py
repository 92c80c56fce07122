"""How many lesions and slices taught each model."""

import h5py
import numpy as np
import pandas as pd
import pytest

from explainct.data.samples.splits import training_subset
from explainct.due.paper.taught_table import count_taught

SPLIT = ["train", "train", "train", "train", "validation", "test"]
ANNOTATED = [2, 3, 5, 8, 13, 21]


@pytest.fixture
def count(tmp_path):
    """Return a function that counts of six patients with a lesion each, and the table of their samples."""
    patients = [f"P{number}" for number in range(6)]
    lesions = pd.DataFrame({"lesion_id": patients, "patient_id": patients, "label": 1, "in_cohort": True})
    outside = pd.DataFrame({"lesion_id": ["Q"], "patient_id": ["Q"], "label": 1, "in_cohort": False})
    pd.concat([lesions.assign(annotated_slices=ANNOTATED), outside.assign(annotated_slices=34)]).to_parquet(
        tmp_path / "lesions"
    )
    pd.DataFrame({"patient_id": patients, "split": SPLIT}).to_parquet(tmp_path / "splits")
    own = lesions[["lesion_id", "patient_id"]].assign(split=SPLIT)
    parts = [own.assign(label=label, sample_id=own["lesion_id"] + end) for label, end in ((1, "-p"), (0, "-n00"))]
    samples = pd.concat(parts)
    samples.to_parquet(tmp_path / "samples")
    z, hidden = np.array([[0, 2, 4, 6], [2, 4, 6, 8], [0, 2, 4, 6]], np.float32), np.ones((3, 4), bool)
    hidden[0, 0] = False
    with h5py.File(tmp_path / "variance", "w") as file:
        for size, rows, names in (("16", [0, 1], ["P1", "P1"]), ("24", [2], ["P3"])):
            group = file.create_group(size)
            group.create_dataset("lesion", data=names, dtype=h5py.string_dtype())
            group["context_z"], group["shown"] = z[rows], hidden[rows]

    def call(annotation_from, n, seeds):
        files = {f"{name}_file": tmp_path / name for name in ("lesions", "splits", "samples", "variance")}
        taught_by = {"annotation_from": annotation_from, "samples": n, "seeds": seeds}
        count_taught(**files, taught_by=taught_by, samples=n, seeds=seeds, csv=tmp_path / "csv")
        table = pd.read_csv(tmp_path / "csv", dtype={"seed": str}, keep_default_na=False)
        return table.set_index(["model", "seed"]), samples

    return call


@pytest.mark.parametrize(("annotation_from", "lesions", "slices"), [("all", 4, 50), ("training", 3, 16)])
def test_lesions_with_three_annotated_slices_taught_the_interpolator(count, annotation_from, lesions, slices):
    table, _ = count(annotation_from, 2, [0])
    assert table.loc[("interpolator", "")].tolist() == [lesions, slices]


def test_slices_around_gaps_taught_the_predictor_and_are_counted_once(count):
    table, _ = count("all", 2, [0])
    # P1 shows 2 to 8 mm, of which two gaps share three; P3 shows 0 to 6 mm.
    assert table.loc[("predictor", "")].tolist() == [2, 8]


@pytest.mark.parametrize("seeds", [[0], [3, 1, 2]])
def test_a_classifier_learns_from_its_training_lesions(count, seeds):
    table, samples = count("training_samples", 4, seeds)
    kept, drawn = dict(zip(samples["lesion_id"], ANNOTATED * 2, strict=True)), {}
    for seed in seeds:
        subset = training_subset(samples, n=4, seed=seed)
        drawn[str(seed)] = set(subset.loc[subset["label"] == 1, "lesion_id"])
    drawn["all"] = set.union(*drawn.values())
    for seed, lesions in drawn.items():
        assert table.loc[("classifier", seed)].tolist() == [len(lesions), sum(kept[name] for name in lesions)]
    assert len(table) == 2 + len(drawn)
