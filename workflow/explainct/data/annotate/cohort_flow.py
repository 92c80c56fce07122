"""The flow of the cohort: from the series found to the blocks used, with each loss and its reason."""

from collections.abc import Iterator

import pandas as pd

from explainct.data.samples.blocks import neighbours
from explainct.data.samples.resample import block_of, scan_shape_of

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
    margin_mm: float,
    negatives_per_lesion: int,
) -> pd.DataFrame:
    """Count what was found, lost and kept of the series, their annotations and lesions, and the blocks of these.

    Args:
        scans: the table `annotate/scans.parquet`.
        lesions: the table `annotate/lesions.parquet`.
        samples: the table `samples/samples.parquet`.
        margin_mm: margin around a lesion's box in mm.
        negatives_per_lesion: most neighbouring blocks of a lesion.

    Returns:
        Rows with the columns `unit` (series, annotations, lesions, blocks, clean neighbours), `event` (found, lost,
        kept), `reason` (of a loss) and `count`. What was found minus what was lost is what was kept. Neighbours that
        are not clean are samples all the same.
    """
    used = lesions[lesions["series_uid"].isin(scans.loc[scans["used"], "series_uid"])]
    tumours = used[used["label"] == 1]
    rows = [
        *_unit("series", pd.Series(1, scans.index), scans["reason"]),
        *_unit("annotations", tumours["readers"], tumours["reason"]),
        *_unit("lesions", pd.Series(1, tumours.index), tumours["reason"]),
        *_blocks(used[used["in_cohort"]], len(samples), margin_mm, negatives_per_lesion),
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


def _blocks(cohort: pd.DataFrame, kept: int, margin_mm: float, negatives: int) -> Iterator[Row]:
    """Count the blocks of the cohort's lesions and normal organs, and the neighbours where there are any."""
    around = cohort[cohort["label"] == 1] if negatives else cohort.iloc[:0]
    inside = sum(len(neighbours(block_of(lesion, margin_mm), scan_shape_of(lesion))) for _, lesion in around.iterrows())
    found = len(cohort) + 26 * len(around)
    losses = {
        "They reach out of the scan.": 26 * len(around) - inside,
        "They were not drawn (`samples.negatives_per_lesion`).": len(cohort) + inside - kept,
    }
    yield "blocks", "found", "", found
    for reason, count in losses.items():
        if count:
            yield "blocks", "lost", reason, count
    yield "blocks", "kept", "", kept
