"""The table of how many lesions, and how many of their annotated slices, taught each model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from explainct.data.samples.splits import training_subset
from explainct.due.interpolation.teaching_lesions import teaching_lesions
from explainct.due.interpolation.training_examples import FEWEST_SLICES
from explainct.runtime.files import write_csv


def count_taught(
    *,
    lesions_file: Path,
    splits_file: Path,
    samples_file: Path,
    variance_file: Path,
    taught_by: Mapping[str, Any],
    samples: int,
    seeds: Sequence[int],
    csv: Path,
) -> None:
    """Write how many lesions and annotated slices taught interpolator, uncertainty predictor and classifiers.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        splits_file: the table `samples/splits.parquet`.
        samples_file: the table `samples/samples.parquet`.
        variance_file: the gaps that taught the predictor, `due/uncertainty/variance.h5`.
        taught_by: which lesions teach the interpolator, see `teaching_lesions`.
        samples: training samples of a classifier.
        seeds: seeds of the classifiers.
        csv: table to write: `model`, `seed` (of a classifier; `all` for those of any), `lesions` and `slices`.
    """
    lesions = teaching_lesions(
        lesions_file=lesions_file, splits_file=splits_file, samples_file=samples_file, taught_by=taught_by
    )
    slices = pd.read_parquet(lesions_file).set_index("lesion_id")["annotated_slices"]
    drawn = {str(seed): _training_lesions(pd.read_parquet(samples_file), samples, seed) for seed in seeds}
    drawn["all"] = sorted(set().union(*drawn.values()))
    enough = lesions[lesions["annotated_slices"] >= FEWEST_SLICES]
    rows = [
        ("interpolator", "", len(enough), int(enough["annotated_slices"].sum())),
        ("predictor", "", *_count_contexts(variance_file)),
        *(("classifier", seed, len(names), int(slices[names].sum())) for seed, names in drawn.items()),
    ]
    write_csv(pd.DataFrame(rows, columns=["model", "seed", "lesions", "slices"]), csv)


def _training_lesions(samples: pd.DataFrame, n: int, seed: int) -> list[str]:
    """Return the ids of the lesions among the training samples of a seed."""
    drawn = training_subset(samples, n=n, seed=seed)
    return drawn.loc[drawn["label"] == 1, "lesion_id"].tolist()


def _count_contexts(variance_file: Path) -> tuple[int, int]:
    """Return how many lesions have gaps in a file, and how many annotated slices are shown around these."""
    shown: set[tuple[str, float]] = set()
    with h5py.File(variance_file) as file:
        for group in file.values():
            gaps, places = np.nonzero(group["shown"][:])
            names = group["lesion"].asstr()[:]
            shown.update(zip(names[gaps].tolist(), group["context_z"][:][gaps, places].tolist(), strict=True))
    return len({lesion_id for lesion_id, _ in shown}), len(shown)
