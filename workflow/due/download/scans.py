"""How many scans an archive holds by its manifest, cheaply enough to look at before every run."""

import csv
from pathlib import Path

MANIFESTS = Path(__file__).parent / "manifests"


def scans_in(archive: str) -> int:
    """Return how many CT scans of `archive` the workflow uses at most: those of its manifest.

    The number of files of per-lesion work depends on it, so it must be known before there is an image.
    """
    with (MANIFESTS / f"{archive}.csv").open(newline="", encoding="utf-8") as file:
        return sum(int(row.get("scans", 1)) for row in csv.DictReader(file) if row["modality"] == "CT")
