"""Rotating folds of patients: every sample is a test sample once."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from explainct.errors import UserError
from explainct.seeds import numpy_generator


class Fold(NamedTuple):
    """Which samples train, validate and test in one fold; row numbers, int64, ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def draw_folds(patients: pd.Series, *, folds: int, seed: int) -> np.ndarray:
    """Draw the group of each sample by its patient, int64 [N] in 0 ... `folds` - 1; groups hold equally many patients.

    Args:
        patients: the patient of each sample [N].
        folds: number of groups, at least 3.
        seed: seed of the draw.

    Raises:
        UserError: there are fewer patients than groups.

    >>> draw_folds(pd.Series(list("aabbcc")), folds=3, seed=0).tolist()
    [0, 0, 2, 2, 1, 1]
    """
    names = sorted(set(patients))
    if len(names) < folds:
        raise UserError(
            f"There are {len(names)} patients for {folds} folds, and each needs one at least. "
            "Lower `monitoring.folds` or raise `monitoring.patients`."
        )
    group = dict(zip(numpy_generator(seed, "folds").permutation(names), np.arange(len(names)) % folds, strict=True))
    return patients.map(group).to_numpy(np.int64)


def rotating_fold(groups: np.ndarray, fold: int) -> Fold:
    """Return who trains, validates and tests in one fold: group `fold` tests, the next one validates, the rest train.

    Args:
        groups: the group of each sample, as `draw_folds` returns it [N].
        fold: number of the fold, in 0 ... number of groups - 1.
    """
    validation = (fold + 1) % (groups.max() + 1)
    in_test, in_validation = groups == fold, groups == validation
    return Fold(*(np.flatnonzero(mask) for mask in (~(in_test | in_validation), in_validation, in_test)))


def check_folds(labels: pd.DataFrame, groups: np.ndarray) -> None:
    """Check that every part of every fold has samples of both labels of each class.

    Args:
        labels: 0 or 1, a column a class [N rows].
        groups: the group of each sample [N].

    Raises:
        UserError: a part has a class of one label only, on which nothing can be tuned, trained or tested.
    """
    for fold in range(int(groups.max()) + 1):
        for part, rows in rotating_fold(groups, fold)._asdict().items():
            counts = labels.iloc[rows].sum()
            for name, positives in counts.items():
                if not 0 < positives < len(rows):
                    lacking = "positive" if positives == 0 else "negative"
                    raise UserError(
                        f"The {part} part of fold {fold} has no {lacking} of {name} among {len(rows)} samples, and "
                        "needs both. Raise `monitoring.patients`, lower `monitoring.folds`, or set another `seed`."
                    )
