"""Tables of splits and samples, as the rules write them."""

from pathlib import Path
from typing import Any

from explainct.data.samples.sample_table import list_samples
from explainct.data.samples.splits import split_patients

SPLIT = ("train", "validation", "always_test")


def plan_samples(
    *, settings: dict[str, Any], shards: int, seed: int, lesions_file: Path, splits_file: Path, samples_file: Path
) -> None:
    """Write the splits and the samples of a table of lesions, under settings of both."""
    shares = {name: value for name, value in settings.items() if name in SPLIT}
    others = {name: value for name, value in settings.items() if name in ("margin_mm", "negatives_per_lesion")}
    split_patients(lesions_file=lesions_file, splits_file=splits_file, seed=seed, **shares)
    files = {"lesions_file": lesions_file, "splits_file": splits_file, "samples_file": samples_file}
    list_samples(**files, shards=shards, seed=seed, **others)
