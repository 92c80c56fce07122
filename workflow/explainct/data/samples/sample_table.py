"""The samples of a cohort: each lesion's block and its neighbouring blocks."""

from pathlib import Path

import numpy as np
import pandas as pd

from explainct.data.samples.blocks import box_columns, neighbours
from explainct.data.samples.resample import block_of, scan_shape_of
from explainct.data.samples.shards import shard_of
from explainct.data.samples.splits import cohort_lesions
from explainct.runtime.files import write_parquet
from explainct.runtime.volume import Box
from explainct.seeds import numpy_generator


def list_samples(
    *,
    lesions_file: Path,
    splits_file: Path,
    samples_file: Path,
    margin_mm: float,
    negatives_per_lesion: int,
    shards: int,
    seed: int,
) -> None:
    """Write the list of all samples of the cohort.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        splits_file: the split of each patient.
        samples_file: becomes the table of samples.
        margin_mm: margin around the readers' box in mm.
        negatives_per_lesion: neighbouring blocks per lesion, 0 to 26.
        shards: number of files that the patients' crops are spread over; some may hold none.
        seed: seed of the choice of neighbours.

    Raises:
        UserError: no lesion is in the cohort.
    """
    split_of = pd.read_parquet(splits_file).set_index("patient_id").split
    rows = [
        {**row, "split": split_of[lesion.patient_id], "shard": shard_of(lesion.patient_id, shards)}
        for _, lesion in cohort_lesions(lesions_file).iterrows()
        for row in samples_of(lesion, margin_mm, negatives_per_lesion, seed)
    ]
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
