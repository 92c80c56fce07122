"""The flow of the cohort: from the series found to the blocks used, with each loss and its reason."""

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Literal

import h5py
import pandas as pd

from explainct.data.samples.blocks import lesion_box, neighbours
from explainct.data.samples.resample import scan_shape_of
from explainct.data.samples.sample_table import holding_others, read_others, set_by_kept
from explainct.runtime.volume import Box

Row = tuple[str, str, str, int]

NEIGHBOUR = r"-n\d\d$"
"""The end of a neighbour's sample id."""

UNCLEAN = {
    True: "They hold voxels of another lesion, and are samples without a lesion all the same (`samples.negatives`).",
    False: "",
}
"""The reason why a neighbour is not clean, by whether it holds voxels of another lesion."""


def count_flow(
    scans: pd.DataFrame,
    lesions: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    negatives_per_lesion: int,
    negatives: Literal["published", "clean"],
    training_outlines: Literal["kept", "all"],
    slices_file: Path,
) -> pd.DataFrame:
    """Count what was found, lost and kept of the series, their annotations and lesions, and the blocks of these.

    Args:
        scans: the table `annotate/scans.parquet`.
        lesions: the table `annotate/lesions.parquet`.
        samples: the table `samples/samples.parquet`.
        negatives_per_lesion: most neighbouring blocks of a lesion.
        negatives: which of them may be drawn: all (`published`), or those without a voxel of another lesion (`clean`).
        training_outlines: outlines that set the samples of training lesions, as for `list_samples`.
        slices_file: the file `annotate/slices.h5`, which is read for `clean`.

    Returns:
        Rows with the columns `unit` (series, annotations, lesions, blocks, clean neighbours), `event` (found, lost,
        kept), `reason` (of a loss) and `count`. What was found minus what was lost is what was kept. Neighbours that
        are not clean are samples all the same under `published`, and blocks that were lost under `clean`.
    """
    used = lesions[lesions["series_uid"].isin(scans.loc[scans["used"], "series_uid"])]
    tumours = used[used["label"] == 1]
    cohort = used[used["in_cohort"]]
    around = _neighbours(cohort, samples) if negatives_per_lesion else {}
    kept = {
        lesion_id
        for lesion_id, split in zip(samples["lesion_id"], samples["split"], strict=True)
        if set_by_kept(split, training_outlines)
    }
    holding = _holding(around, lesions, slices_file, kept=kept) if negatives == "clean" else 0
    rows = [
        *_unit("series", pd.Series(1, scans.index), scans["reason"]),
        *_unit("annotations", tumours["readers"], tumours["reason"]),
        *_unit("lesions", pd.Series(1, tumours.index), tumours["reason"]),
        *_blocks(len(cohort), around, holding, len(samples)),
    ]
    if negatives_per_lesion:
        around = samples[samples["sample_id"].str.contains(NEIGHBOUR)]
        rows += _unit("clean neighbours", pd.Series(1, around.index), around["other_lesion"].map(UNCLEAN))
    return pd.DataFrame(rows, columns=["unit", "event", "reason", "count"])


def _unit(unit: str, sizes: pd.Series, reasons: pd.Series) -> Iterator[Row]:
    """Count one unit; an empty reason says that the row was kept."""
    yield unit, "found", "", int(sizes.sum())
    lost = sizes[reasons != ""].groupby(reasons[reasons != ""]).sum()
    for reason, count in sorted(lost.items(), key=lambda item: (-item[1], item[0])):
        yield unit, "lost", str(reason), int(count)
    yield unit, "kept", "", int(sizes[reasons == ""].sum())


def _neighbours(cohort: pd.DataFrame, samples: pd.DataFrame) -> dict[str, dict[int, Box]]:
    """Return the neighbours in the scan of each of the cohort's lesions, which normal organs do not have, by its id."""
    blocks = samples[samples["label"] == 1].set_index("lesion_id")
    return {
        lesion.lesion_id: neighbours(lesion_box(blocks.loc[lesion.lesion_id]), scan_shape_of(lesion))
        for _, lesion in cohort[cohort["label"] == 1].iterrows()
    }


def _holding(
    around: Mapping[str, Mapping[int, Box]], lesions: pd.DataFrame, slices_file: Path, *, kept: Set[str]
) -> int:
    """Return how many neighbours hold voxels of another lesion.

    Args:
        around: the neighbours of each lesion by its id, see `_neighbours`.
        lesions: the table `annotate/lesions.parquet`.
        slices_file: the file `annotate/slices.h5`.
        kept: ids of the lesions whose samples are set by kept slices alone.
    """
    known = lesions[lesions["label"] == 1]
    by_id, by_scan = known.set_index("lesion_id", drop=False), dict(iter(known.groupby("series_uid")))
    with h5py.File(slices_file) as file:
        return sum(
            len(holding_others(boxes, read_others(file, lesion, by_scan[lesion.series_uid], kept=name in kept)))
            for name, boxes in around.items()
            for lesion in [by_id.loc[name]]
        )


def _blocks(lesions: int, around: Mapping[str, Mapping[int, Box]], holding: int, kept: int) -> Iterator[Row]:
    """Count the blocks of the cohort's lesions and normal organs, and of their neighbours.

    Args:
        lesions: number of lesions and normal organs.
        around: the neighbours in the scan of each lesion that may have any.
        holding: number of neighbours that were left out because they hold voxels of another lesion.
        kept: number of samples.
    """
    possible, inside = 26 * len(around), sum(map(len, around.values()))
    losses = {
        "They reach out of the scan.": possible - inside,
        "They hold voxels of another lesion (`samples.negatives: clean`).": holding,
        "They were not drawn (`samples.negatives_per_lesion`).": lesions + inside - holding - kept,
    }
    yield "blocks", "found", "", lesions + possible
    for reason, count in losses.items():
        if count:
            yield "blocks", "lost", reason, count
    yield "blocks", "kept", "", kept
