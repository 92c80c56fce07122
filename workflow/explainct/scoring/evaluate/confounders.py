"""What says the label without the picture: classifiers on size, mean HU and place of the blocks alone.

The published preprocessing is not known. If blocks of one class are larger, or come from other scans, then resampling
them to one grid shows the class, and a network can be right for that reason (pancreas: class and hospital are one).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from explainct.data.samples.reader import read_block
from explainct.errors import UserError
from explainct.runtime.files import read_shards, write_csv
from explainct.scoring.statistics.bootstrap import DRAWS, Estimate
from explainct.seeds import derived_seed, numpy_generator

log = logging.getLogger(__name__)

_SINGLE = {
    "size_mm": ("depth_mm", "height_mm", "width_mm"),
    "size_voxels": ("depth", "height", "width"),
    "mean_hu": ("mean_hu",),
    "position": ("place_k", "place_i", "place_j"),
}
FEATURE_SETS = {**_SINGLE, "all": tuple(column for columns in _SINGLE.values() for column in columns)}
"""Columns of `block_features` by the name of the set."""


def probe_confounders(
    *, lesions_file: Path, samples_file: Path, crops_file: Path, confounders_file: Path, seed: int
) -> None:
    """Write how well size, mean HU and place of the blocks alone tell lesions from other samples.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        samples_file: the table `samples/samples.parquet`.
        crops_file: list of the files of crops.
        confounders_file: CSV to write; see `probe`.
        seed: seed of gradient boosting and of the intervals.

    Raises:
        UserError: a split has one class only, or patients are in both splits.
    """
    samples, lesions = pd.read_parquet(samples_file), pd.read_parquet(lesions_file)
    write_csv(probe(samples, lesions, mean_hu(samples, read_shards(crops_file)), seed=seed), confounders_file)


def mean_hu(samples: pd.DataFrame, crop_files: Sequence[Path]) -> np.ndarray:
    """Return the mean HU of each sample's box [N], float64, at native resolution.

    Args:
        samples: rows of `samples.parquet`.
        crop_files: the files `samples/{shard}.h5`, in the order of their shards.
    """
    return np.array([read_block(crop_files, sample).mean() for _, sample in samples.iterrows()], np.float64)


def block_features(samples: pd.DataFrame, lesions: pd.DataFrame, hu_means: np.ndarray) -> pd.DataFrame:
    """Return what is known of each block without its picture, one row per sample in the order of `samples`.

    Args:
        samples: rows of `samples.parquet`.
        lesions: rows of `lesions.parquet`, with spacing in mm and size of the scan in voxels.
        hu_means: mean HU of each sample's box [N].

    Returns:
        The size along (k, i, j) in mm and in voxels, the mean HU, and the place of the block's centre in its scan along
        (k, i, j) as a share of the scan in [0, 1].
    """
    of_lesion = lesions.set_index("lesion_id").loc[samples["lesion_id"]]
    start, stop = (samples[[f"{axis}_{end}" for axis in "kij"]].to_numpy(float) for end in ("start", "stop"))
    spacing = of_lesion[["spacing_z", "spacing_y", "spacing_x"]].to_numpy(float)
    scan = of_lesion[["scan_slices", "scan_rows", "scan_columns"]].to_numpy(float)
    size, place = stop - start, (start + stop) / 2 / scan
    values = np.column_stack([size * spacing, size, hu_means, place])
    return pd.DataFrame(values, columns=list(FEATURE_SETS["all"]), index=samples.index)


def probe(samples: pd.DataFrame, lesions: pd.DataFrame, hu_means: np.ndarray, *, seed: int) -> pd.DataFrame:
    """Return how well each feature set tells lesions from the other samples of the test split, without any picture.

    Logistic regression on standardised features and gradient boosting learn from the training split. The order of
    samples does not matter.

    Args:
        samples: rows of `samples.parquet`.
        lesions: rows of `lesions.parquet`, with spacing in mm and size of the scan in voxels.
        hu_means: mean HU of each sample's box [N]; see `mean_hu`.
        seed: seed of gradient boosting and of the intervals.

    Returns:
        One row per feature set and classifier: `features`, `classifier`, `roc_auc` with its 95 % interval over patients
        (`low`, `high`), `accuracy`, and `majority`, the accuracy of always saying the training split's larger class.

    Raises:
        UserError: a split has one class only, or patients are in both splits.
    """
    order = np.argsort(samples["sample_id"].to_numpy(str))
    features = block_features(samples, lesions, hu_means).iloc[order]
    samples = samples.iloc[order]
    in_train, in_test = ((samples["split"] == name).to_numpy() for name in ("train", "test"))
    train, test = samples[in_train], samples[in_test]
    _check_splits(train, test)
    majority = (test["label"] == train["label"].mode()[0]).mean()
    rows = []
    for name, columns in FEATURE_SETS.items():
        values = features[list(columns)].to_numpy()
        for classifier, model in _classifiers(seed).items():
            model.fit(values[in_train], train["label"])
            score, said = model.predict_proba(values[in_test])[:, 1], model.predict(values[in_test])
            auc = auc_interval(test["label"].to_numpy(), score, test["patient_id"].to_numpy(), seed=seed)
            log.info("%s, %s: ROC-AUC %.3f (%.3f to %.3f)", name, classifier, *auc)
            rows.append((name, classifier, *auc, (said == test["label"]).mean(), majority))
    return pd.DataFrame(rows, columns=["features", "classifier", "roc_auc", "low", "high", "accuracy", "majority"])


def auc_interval(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, *, seed: int) -> Estimate:
    """Return the ROC-AUC and its percentile interval (95 %) over draws of patients with replacement.

    Draws that hold one class only have no ROC-AUC and are left out.

    Args:
        labels: true classes [N], 0 or 1, both present.
        scores: larger for class 1 [N].
        patients: whose sample it is [N].
        seed: seed of the draws.
    """
    names, owner = np.unique(patients, return_inverse=True)
    count = len(names)
    positive = labels == 1
    # wins[p, q]: pairs of a lesion of patient p and another sample of q that are ranked rightly, ties as one half.
    wins = np.zeros((count, count))
    others, owner_of_other = scores[~positive], owner[~positive]
    for patient in range(count):
        own = np.sort(scores[positive & (owner == patient)])
        lower_or_tied = np.searchsorted(own, others, "left") + np.searchsorted(own, others, "right")
        wins[patient] = np.bincount(owner_of_other, len(own) - lower_or_tied / 2, minlength=count)
    pairs = np.outer(np.bincount(owner[positive], minlength=count), np.bincount(owner_of_other, minlength=count))
    drawn = numpy_generator(seed, "bootstrap").multinomial(count, np.full(count, 1 / count), size=DRAWS)
    won, all_pairs = (np.einsum("bp,bp->b", drawn @ matrix, drawn) for matrix in (wins, pairs))
    low, high = np.percentile(won[all_pairs > 0] / all_pairs[all_pairs > 0], [2.5, 97.5])
    return Estimate(float(wins.sum() / pairs.sum()), float(low), float(high))


def _classifiers(seed: int) -> dict[str, ClassifierMixin]:
    """Return the untrained classifiers by name."""
    return {
        "logistic_regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        # scikit-learn takes seeds of 32 bits.
        "gradient_boosting": GradientBoostingClassifier(random_state=derived_seed(seed, "confounders") % 2**32),
    }


def _check_splits(train: pd.DataFrame, test: pd.DataFrame) -> None:
    for name, part in (("train", train), ("test", test)):
        classes = sorted(part["label"].unique().tolist())
        if classes != [0, 1]:
            raise UserError(
                f"The {name} split of the samples holds the classes {classes}, expected 0 and 1. "
                "Change `samples.train`, or add patients."
            )
    shared = sorted(set(train["patient_id"]) & set(test["patient_id"]))
    if shared:
        raise UserError(
            f"Patient {shared[0]} is in the training and in the test split of the samples ({len(shared)} such in all), "
            "expected in one of them. Delete the table of samples and repeat."
        )
