"""Intervals by bootstrap over patients: slices of one patient are alike, so patients are drawn, not slices."""

from typing import NamedTuple

import numpy as np

from explainct.seeds import numpy_generator

DRAWS = 2000


class Estimate(NamedTuple):
    """A mean over values with its 95 % interval."""

    mean: float
    low: float
    high: float


def patient_interval(values: np.ndarray, patients: np.ndarray, *, seed: int) -> Estimate:
    """Return the mean of `values` and the percentile interval (95 %) over draws of patients with replacement.

    Differences of two methods on the same slices give the paired interval.

    Args:
        values: one value per slice or lesion [N].
        patients: whose it is [N].
        seed: seed of the draws.

    >>> patient_interval(np.array([1.0, 1.0, 1.0]), np.array(["a", "a", "b"]), seed=0)
    Estimate(mean=1.0, low=1.0, high=1.0)
    """
    _, owner = np.unique(patients, return_inverse=True)
    sums, counts = np.bincount(owner, values), np.bincount(owner)
    drawn = numpy_generator(seed, "bootstrap").multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
    means = (drawn @ sums) / (drawn @ counts)
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(np.mean(values)), float(low), float(high))
