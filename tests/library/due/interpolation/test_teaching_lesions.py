"""Whose annotated slices teach: never those of validation or test patients."""

import pandas as pd
import pytest

from explainct.data.samples.splits import training_subset
from explainct.due.interpolation.teaching_lesions import teaching_lesions


@pytest.fixture
def patients_of(dataset, tmp_path):
    """Return the patients whose lesions teach; of the cohort, P0 and P1 train, P2 validates and P3 tests."""
    rows = [
        {"sample_id": f"P{number}-{label}", "lesion_id": f"P{number}-s0-n0", "patient_id": f"P{number}"}
        | {"split": split, "label": label}
        for number, split in enumerate(dataset.splits["split"])
        for label in (0, 1)
    ]
    samples = pd.DataFrame(rows)
    samples.to_parquet(tmp_path / "samples.parquet")

    def patients(annotation_from, **others):
        files = {name: path for name, path in dataset.paths.items() if name != "slices_file"}
        taught_by = {"annotation_from": annotation_from, **others}
        taught = teaching_lesions(**files, samples_file=tmp_path / "samples.parquet", taught_by=taught_by)
        return taught["patient_id"].tolist(), samples

    return patients


def test_all_leave_out_validation_and_test_patients_alone(patients_of):
    assert patients_of("all")[0] == ["P0", "P1", "P4"]


def test_training_is_the_cohorts(patients_of):
    assert patients_of("training")[0] == ["P0", "P1"]


@pytest.mark.parametrize("seeds", [[0], [1], [0, 1, 2, 3, 4, 5]])
def test_samples_are_those_that_the_classifiers_draw(patients_of, seeds):
    found, samples = patients_of("training_samples", samples=2, seeds=seeds)
    drawn = pd.concat([training_subset(samples, n=2, seed=seed) for seed in seeds])
    assert found == sorted(set(drawn.loc[drawn["label"] == 1, "patient_id"]))
    assert len(found) == (1 if len(seeds) == 1 else 2)
