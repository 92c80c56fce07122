"""Who is in which split, and which samples train: by patient, by seed."""

from collections.abc import Sequence

import pandas as pd

from due.errors import DueError
from due.seeds import numpy_generator

SPLITS = ("train", "validation", "test")


def split_patients(
    patients: Sequence[str], *, train: float, validation: float, always_test: Sequence[str], seed: int
) -> pd.DataFrame:
    """Draw the split of each patient (DUE, section 5.1: 10 % training, 30 % validation, 60 % testing of LIDC).

    Args:
        patients: patient ids; repeats count once.
        train: share for training, in (0, 1).
        validation: share for validation, in (0, 1); the rest is for testing.
        always_test: patients that go to the test split whatever the draw.
        seed: seed of the draw.

    Returns:
        A table with `patient_id` (sorted) and `split`.

    Raises:
        DueError: a split would be empty.
    """
    ids = sorted(set(patients))
    drawn = numpy_generator(seed, "split").permutation([patient for patient in ids if patient not in always_test])
    n_train, n_validation = round(train * len(ids)), round(validation * len(ids))
    split = dict.fromkeys(ids, "test")
    split.update(dict.fromkeys(drawn[:n_train], "train"))
    split.update(dict.fromkeys(drawn[n_train : n_train + n_validation], "validation"))
    table = pd.DataFrame({"patient_id": ids, "split": [split[patient] for patient in ids]})
    for name in SPLITS:
        if name not in set(table.split):
            raise DueError(
                f"The {name} split of {len(ids)} patients is empty (train {train}, validation {validation}). "
                "Change the shares under `cases`, or add patients."
            )
    return table


def training_subset(samples: pd.DataFrame, *, n: int, seed: int) -> pd.DataFrame:
    """Draw `n` training samples, half of them lesions, at most one per patient (DUE, section 5.1).

    Args:
        samples: the table `cases/samples.parquet`.
        n: number of samples; an odd one gives the extra place to the negatives.
        seed: seed of the run.

    Returns:
        `n` rows of `samples`, sorted by sample id.

    Raises:
        DueError: the training split has fewer than `n` patients.
    """
    training = samples[samples.split == "train"].sort_values("sample_id")
    patients = sorted(training.patient_id.unique())
    if len(patients) < n:
        raise DueError(
            f"{n} training samples need {n} training patients, one sample each, but there are {len(patients)}. "
            "Lower `train.samples` or raise `cases.train`."
        )
    generator = numpy_generator(seed, "training subset", n)
    chosen = generator.permutation(patients)[:n]
    label = dict.fromkeys(chosen, 0) | dict.fromkeys(chosen[: n // 2], 1)
    rows = []
    for patient in sorted(label):
        candidates = training[(training.patient_id == patient) & (training.label == label[patient])]
        rows.append(candidates.iloc[int(generator.integers(len(candidates)))])
    return pd.DataFrame(rows).sort_values("sample_id").reset_index(drop=True)
