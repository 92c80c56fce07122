"""Tables of splits and samples, as the rules write them."""

from pathlib import Path
from typing import Any

import h5py

from explainct.data.samples.sample_table import list_samples
from explainct.data.samples.splits import split_patients

SPLIT = ("train", "validation", "always_test")


def plan_samples(
    *,
    settings: dict[str, Any],
    shards: int,
    seed: int,
    lesions_file: Path,
    splits_file: Path,
    samples_file: Path,
    slices_file: Path | None = None,
) -> None:
    """Write the splits and the samples of a table of lesions, under settings of both.

    Without a file of slices no scan may have two lesions. Blocks are by all outlines where settings say nothing else.
    """
    shares = {name: value for name, value in settings.items() if name in SPLIT}
    others = {name: settings[name] for name in ("margin_mm", "negatives_per_lesion")}
    split_patients(lesions_file=lesions_file, splits_file=splits_file, seed=seed, **shares)
    if slices_file is None:
        slices_file = splits_file.with_name("no_slices.h5")
        h5py.File(slices_file, "w").close()
    list_samples(
        lesions_file=lesions_file,
        slices_file=slices_file,
        splits_file=splits_file,
        samples_file=samples_file,
        negatives=settings.get("negatives", "published"),
        training_outlines=settings.get("training_outlines", "all"),
        shards=shards,
        seed=seed,
        **others,
    )
