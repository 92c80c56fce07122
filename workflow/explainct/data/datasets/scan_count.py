"""How many scans an archive holds, cheaply enough to look at before every run: the number of shards follows from it."""

import csv
from pathlib import Path

MANIFESTS = Path(__file__).parents[1] / "download/manifests"


def scans_in(archive: str, folder: str | Path) -> int:
    """Return about how many scans of `archive` lie in `folder`: its entries, and never more than the manifest lists.

    Entries are patients, as archives are downloaded, or the Decathlon's images. Other layouts give another number, and
    so more or fewer shards, but the same results. A folder that is empty or not there yet counts as the whole archive.
    """
    with (MANIFESTS / f"{archive}.csv").open(newline="", encoding="utf-8") as file:
        listed = sum(int(row.get("scans", 1)) for row in csv.DictReader(file) if row["modality"] == "CT")
    return min(listed, len(_entries(Path(folder))) or listed)


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, or in the only folder in it."""
    if (folder / "imagesTr").is_dir():
        return _entries(folder / "imagesTr")
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return _entries(visible[0]) if len(visible) == 1 and visible[0].is_dir() else visible
