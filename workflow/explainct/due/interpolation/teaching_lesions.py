"""Choose the lesions whose annotated slices teach the interpolator and the uncertainty predictor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from explainct.data.samples.splits import training_subset


def teaching_lesions(
    *, lesions_file: Path, splits_file: Path, samples_file: Path | None, taught_by: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the lesions whose annotated slices teach; none of a validation or test patient.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        splits_file: the table `samples/splits.parquet`.
        samples_file: the table `samples/samples.parquet`; read for `training_samples` alone.
        taught_by: `annotation_from`: `all` lesions with contours, those outside the cohort included, of which every
            slice is annotated; those of the cohort's `training` patients; or the `training_samples`, of which the
            classifiers learn: then also `samples` and `seeds` of their training.
    """
    lesions, splits = pd.read_parquet(lesions_file), pd.read_parquet(splits_file)
    lesions = lesions[lesions["label"] == 1]
    if taught_by["annotation_from"] == "all":
        held_out = splits.loc[splits["split"].isin(["validation", "test"]), "patient_id"]
        return lesions[~lesions["patient_id"].isin(held_out)]
    if taught_by["annotation_from"] == "training":
        training = splits.loc[splits["split"] == "train", "patient_id"]
        return lesions[lesions["in_cohort"] & lesions["patient_id"].isin(training)]
    samples = pd.read_parquet(samples_file)
    drawn = pd.concat([training_subset(samples, n=taught_by["samples"], seed=seed) for seed in taught_by["seeds"]])
    return lesions[lesions["lesion_id"].isin(drawn.loc[drawn["label"] == 1, "lesion_id"])]
