"""The samples of a cohort: each lesion's block and its neighbouring blocks."""

from pathlib import Path

import numpy as np
import pandas as pd

from explainct.data.samples.blocks import box_columns, neighbours
from explainct.data.samples.resample import block_of, scan_shape_of
from explainct.data.samples.shards import shard_of
from explainct.data.samples.splits import split_patients
from explainct.errors import UserError
from explainct.runtime.files import write_parquet
from explainct.runtime.volume import Box
from explainct.seeds import numpy_generator


def plan_samples(
    *, lesions_file: Path, samples_file: Path, splits_file: Path, settings: dict, shards: int, seed: int
) -> None:
    """Write the split of each cohort patient and the list of all samples.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        samples_file: where the samples go.
        splits_file: where the splits go.
        settings: the settings `samples` (margin, negatives, shares of the splits).
        shards: number of files that the patients' crops are spread over; some may hold none.
        seed: seed of the split and of the choice of neighbours.

    Raises:
        UserError: no lesion is in the cohort, or a split would be empty.
    """
    lesions = pd.read_parquet(lesions_file).query("in_cohort").sort_values("lesion_id").reset_index(drop=True)
    if lesions.empty:
        raise UserError(
            f"{lesions_file} holds no lesion of an accepted series; its folder holds the reasons. "
            "Mend the series, or set `ingest.archives` to other ones."
        )
    splits = split_patients(
        lesions.groupby("patient_id").label.max(),
        train=settings["train"],
        validation=settings["validation"],
        always_test=settings["always_test"],
        seed=seed,
    )
    split_of = splits.set_index("patient_id").split
    rows = [
        {**row, "split": split_of[lesion.patient_id], "shard": shard_of(lesion.patient_id, shards)}
        for _, lesion in lesions.iterrows()
        for row in samples_of(lesion, settings["margin_mm"], settings["negatives_per_lesion"], seed)
    ]
    write_parquet(splits, splits_file)
    write_parquet(pd.DataFrame(rows).sort_values("sample_id"), samples_file)


def samples_of(lesion: pd.Series, margin_mm: float, negatives: int, seed: int) -> list[dict]:
    """Return the samples of one lesion: its block (label 1) and up to `negatives` of its neighbours (label 0).

    Neighbours that reach out of the scan are left out before the draw. The block of a normal organ (label 0) is a
    sample of its own, without neighbours. Boxes are in scan indices.
    """
    block = block_of(lesion, margin_mm)
    if lesion.label == 0:
        return [_row(lesion, "n", 0, block)]
    around = neighbours(block, scan_shape_of(lesion))
    numbers = numpy_generator(seed, "neighbours", lesion.lesion_id).permutation(sorted(around))[:negatives]
    boxes = {"p": (1, block)} | {f"n{number:02d}": (0, around[number]) for number in np.sort(numbers)}
    return [_row(lesion, suffix, label, box) for suffix, (label, box) in boxes.items()]


def _row(lesion: pd.Series, suffix: str, label: int, box: Box) -> dict:
    sample = {"sample_id": f"{lesion.lesion_id}-{suffix}", "lesion_id": lesion.lesion_id}
    return {**sample, "patient_id": lesion.patient_id, "label": label, **box_columns(box)}
