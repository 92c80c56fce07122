"""The samples of a cohort: each lesion's block and its neighbouring blocks."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pandas as pd

from explainct.data.samples.blocks import box_columns, lesion_box, neighbours
from explainct.data.samples.dropped_slices import without_dropped
from explainct.data.samples.resample import block_of, scan_shape_of
from explainct.data.samples.shards import shard_of
from explainct.data.samples.splits import cohort_lesions
from explainct.runtime.files import write_parquet
from explainct.runtime.volume import Box
from explainct.seeds import numpy_generator

log = logging.getLogger(__name__)

Lesion = tuple[Box, np.ndarray]
"""The box of a lesion in scan indices, and what is known of its consensus there, 0 or 1 [k, h, w]."""


def list_samples(
    *,
    lesions_file: Path,
    slices_file: Path,
    splits_file: Path,
    samples_file: Path,
    margin_mm: float,
    negatives_per_lesion: int,
    negatives: Literal["published", "clean"],
    training_outlines: Literal["kept", "all"],
    shards: int,
    seed: int,
) -> None:
    """Write the list of all samples of the cohort.

    Args:
        lesions_file: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        splits_file: the split of each patient.
        samples_file: becomes the table of samples.
        margin_mm: margin around the readers' box in mm.
        negatives_per_lesion: neighbouring blocks per lesion, 0 to 26.
        negatives: which neighbours: all (`published`), or those without a voxel of another lesion (`clean`).
        training_outlines: outlines that set the samples of training lesions: those of slices that are not dropped
            (`kept`), or of all slices. The samples of all other lesions are set by all.
        shards: number of files that the patients' crops are spread over; some may hold none.
        seed: seed of the choice of neighbours.

    Raises:
        UserError: no lesion is in the cohort.
    """
    cohort, split_of = cohort_lesions(lesions_file), pd.read_parquet(splits_file).set_index("patient_id").split
    scans = dict(iter(pd.read_parquet(lesions_file).query("label == 1").groupby("series_uid")))
    rows = []
    with h5py.File(slices_file) as file:
        for _, lesion in cohort.iterrows():
            split = split_of[lesion.patient_id]
            kept = set_by_kept(split, training_outlines)
            others = read_others(file, lesion, scans.get(lesion.series_uid, cohort.iloc[:0]), kept=kept)
            block = block_of(lesion, margin_mm, kept=kept)
            samples = samples_of(lesion, block, negatives_per_lesion, seed, others=others, negatives=negatives)
            place = {"split": split, "shard": shard_of(lesion.patient_id, shards)}
            rows += [{**sample, **place} for sample in samples]
    table = pd.DataFrame(rows).sort_values("sample_id")
    log.info("%d of %d neighbours hold voxels of another lesion", table.other_lesion.sum(), (table.label == 0).sum())
    write_parquet(table, samples_file)


def set_by_kept(split: str, training_outlines: Literal["kept", "all"]) -> bool:
    """Tell whether the samples of a lesion of a split are set by its kept slices alone, and not by all."""
    return split == "train" and training_outlines == "kept"


def samples_of(
    lesion: pd.Series,
    block: Box,
    negatives_per_lesion: int,
    seed: int,
    *,
    others: Sequence[Lesion] = (),
    negatives: Literal["published", "clean"] = "published",
) -> list[dict]:
    """Return the samples of one lesion: its block (label 1) and up to `negatives_per_lesion` neighbours (label 0).

    Neighbours that reach out of the scan are left out before the draw, and under `clean` those that hold voxels of
    another lesion. The block of a normal organ (label 0) is a sample of its own, without neighbours.

    Args:
        lesion: its row of `lesions.parquet`.
        block: its block, in scan indices.
        negatives_per_lesion: most neighbours.
        seed: seed of their draw.
        others: the other lesions of the scan.
        negatives: `published` or `clean`.

    Returns:
        Rows of `samples.parquet` without split and shard; boxes are in scan indices, and `other_lesion` says whether a
        neighbour holds voxels of another lesion.
    """
    if lesion.label == 0:
        return [_row(lesion, "n", 0, block, other_lesion=False)]
    around = neighbours(block, scan_shape_of(lesion))
    holding = holding_others(around, others)
    wanted = sorted(around) if negatives == "published" else sorted(around.keys() - holding)
    numbers = numpy_generator(seed, "neighbours", lesion.lesion_id).permutation(wanted)[:negatives_per_lesion]
    return [
        _row(lesion, "p", 1, block, other_lesion=False),
        *(
            _row(lesion, f"n{number:02d}", 0, around[number], other_lesion=number in holding)
            for number in np.sort(numbers).tolist()
        ),
    ]


def read_others(file: h5py.File, lesion: pd.Series, lesions: pd.DataFrame, *, kept: bool) -> list[Lesion]:
    """Return the other lesions of a lesion's scan.

    Args:
        file: the file `annotate/slices.h5`.
        lesion: its row of `lesions.parquet`.
        lesions: the rows of all lesions (label 1) of its scan.
        kept: know dropped slices by the kept ones next to them alone, see `without_dropped`.
    """
    others = lesions[lesions["lesion_id"] != lesion.lesion_id]
    return [(lesion_box(other), _known(file[other.lesion_id], kept=kept)) for _, other in others.iterrows()]


def _known(group: h5py.Group, *, kept: bool) -> np.ndarray:
    """Return the consensus of a lesion, 0 or 1 [k, h, w], or what its kept slices say of it."""
    consensus = group["consensus"][:]
    return without_dropped(consensus, group["annotated"][:]) if kept else consensus


def holding_others(around: Mapping[int, Box], others: Sequence[Lesion]) -> set[int]:
    """Return the numbers of the neighbours that hold voxels of another lesion.

    Args:
        around: a lesion's neighbours by their number, boxes in scan indices.
        others: the other lesions of the scan.
    """
    return {number for number, box in around.items() if any(_holds(box, other) for other in others)}


def _holds(box: Box, lesion: Lesion) -> bool:
    """Tell whether a box of the scan holds voxels of a lesion."""
    own, mask = lesion
    return bool(mask[box.overlap(own).seen_from(own).slices].any())


def _row(lesion: pd.Series, suffix: str, label: int, box: Box, *, other_lesion: bool) -> dict:
    sample = {"sample_id": f"{lesion.lesion_id}-{suffix}", "lesion_id": lesion.lesion_id}
    place = box_columns(box)
    return {**sample, "patient_id": lesion.patient_id, "label": label, **place, "other_lesion": other_lesion}
