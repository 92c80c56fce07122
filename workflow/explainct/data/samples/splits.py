"""Who is in which split, and which samples train: by patient, by seed."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainct.errors import UserError
from explainct.runtime.files import write_parquet
from explainct.seeds import numpy_generator

SPLITS = ("train", "validation", "test")


def split_patients(
    *, lesions_file: Path, splits_file: Path, train: float, validation: float, always_test: Sequence[str], seed: int
) -> None:
    """Write the split of each patient of the cohort.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        splits_file: becomes the table of splits.
        train: share of patients for training, in (0, 1).
        validation: share for validation, in (0, 1); the rest is for testing.
        always_test: patients that go to the test split whatever the draw.
        seed: seed of the draw.

    Raises:
        UserError: no lesion is in the cohort, or a split would be empty.
    """
    labels = cohort_lesions(lesions_file).groupby("patient_id").label.max()
    splits = draw_splits(labels, train=train, validation=validation, always_test=always_test, seed=seed)
    write_parquet(splits, splits_file)


def cohort_lesions(lesions_file: Path) -> pd.DataFrame:
    """Return the lesions of the cohort, in order of their ids.

    Raises:
        UserError: there is none.
    """
    lesions = pd.read_parquet(lesions_file).query("in_cohort").sort_values("lesion_id").reset_index(drop=True)
    if lesions.empty:
        raise UserError(
            f"{lesions_file} holds no lesion of an accepted series; its folder holds the reasons. "
            "Mend the series, or set `ingest.archives` to other ones."
        )
    return lesions


def draw_splits(
    labels: pd.Series, *, train: float, validation: float, always_test: Sequence[str], seed: int
) -> pd.DataFrame:
    """Draw the split of each patient (DUE, section 5.1: 10 % training, 30 % validation, 60 % testing of LIDC).

    Patients with a lesion and those without are drawn apart, so that each split has both in the cohort's ratio.

    Args:
        labels: whether each patient has a lesion (1) or none (0), by patient id.
        train: share for training, in (0, 1).
        validation: share for validation, in (0, 1); the rest is for testing.
        always_test: patients that go to the test split whatever the draw.
        seed: seed of the draw.

    Returns:
        A table with `patient_id` (sorted) and `split`.

    Raises:
        UserError: a split would be empty.

    >>> table = draw_splits(pd.Series(1, list("abcdefghij")), train=0.1, validation=0.3, always_test=["a"], seed=0)
    >>> table["split"].value_counts().to_dict()
    {'test': 6, 'validation': 3, 'train': 1}
    >>> table["split"][0]
    'test'
    """
    ids = sorted(labels.index)
    split = dict.fromkeys(ids, "test")
    for label in sorted(set(labels), reverse=True):
        alike = [patient for patient in ids if labels[patient] == label]
        drawn = numpy_generator(seed, "split").permutation([patient for patient in alike if patient not in always_test])
        n_train, n_validation = round(train * len(alike)), round(validation * len(alike))
        split.update(dict.fromkeys(drawn[:n_train], "train"))
        split.update(dict.fromkeys(drawn[n_train : n_train + n_validation], "validation"))
    table = pd.DataFrame({"patient_id": ids, "split": [split[patient] for patient in ids]})
    for name in SPLITS:
        if name not in set(table.split):
            raise UserError(
                f"The {name} split of {len(ids)} patients is empty (train {train}, validation {validation}). "
                "Change the shares under `samples`, or add patients."
            )
    return table


def training_subset(samples: pd.DataFrame, *, n: int, seed: int) -> pd.DataFrame:
    """Draw `n` training samples, half of them lesions, at most one per patient (DUE, section 5.1).

    Args:
        samples: the table `samples/samples.parquet`.
        n: number of samples; an odd one gives the extra place to the negatives.
        seed: seed of the run.

    Returns:
        `n` rows of `samples`, sorted by sample id.

    Raises:
        UserError: the training split has too few patients with such samples.
    """
    training = samples[samples.split == "train"].sort_values("sample_id")
    generator = numpy_generator(seed, "training subset", n)
    order = generator.permutation(sorted(training.patient_id.unique()))
    having = {label: set(training.patient_id[training.label == label]) for label in (0, 1)}
    lesions = [patient for patient in order if patient in having[1]][: n // 2]
    others = [patient for patient in order if patient in having[0] and patient not in lesions][: n - n // 2]
    if len(lesions) + len(others) < n:
        raise UserError(
            f"{n} training samples need {n // 2} training patients with a lesion and {n - n // 2} others with a sample "
            f"without one, but there are {len(lesions)} and {len(others)}. "
            "Lower `train.samples` or raise `samples.train`."
        )
    label = dict.fromkeys(others, 0) | dict.fromkeys(lesions, 1)
    rows = []
    for patient in sorted(label):
        candidates = training[(training.patient_id == patient) & (training.label == label[patient])]
        rows.append(candidates.iloc[int(generator.integers(len(candidates)))])
    return pd.DataFrame(rows).sort_values("sample_id").reset_index(drop=True)
