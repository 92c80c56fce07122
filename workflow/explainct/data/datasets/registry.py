"""The datasets that this project reads, by name. A new one is a module beside this one and an entry here."""

import difflib
from collections.abc import Iterable

from explainct.data.datasets.dataset import Archive, Dataset
from explainct.data.datasets.demo import DEMO
from explainct.data.datasets.lidc import LIDC
from explainct.data.datasets.pancreas import PANCREAS
from explainct.errors import UserError

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (LIDC, PANCREAS, DEMO)}


def dataset_of(archives: Iterable[str]) -> Dataset:
    """Return the dataset that archives belong to.

    Args:
        archives: names of archives, as the setting `ingest.archives` has them; none stand for the demo.

    Raises:
        UserError: there is no such archive, or they are of different datasets.

    >>> dataset_of(["nih_pancreas"]).name
    'pancreas'
    >>> dataset_of([]).name
    'demo'
    """
    owners = {name: _owner(name) for name in sorted(archives)}
    names = sorted({owner.name for owner in owners.values()})
    if len(names) > 1:
        listed = " and ".join(f"`{name}` of the dataset {owner.name}" for name, owner in owners.items())
        raise UserError(
            f"Setting `ingest.archives` names {listed}, but a run reads one dataset. "
            "Keep the archives of one, and run the other with another name under `dataset`."
        )
    return DATASETS[names[0]] if names else DEMO


def downloads() -> dict[str, Archive]:
    """Return the archives that can be downloaded, by name."""
    return {archive.name: archive for archive in _archives() if archive.downloadable}


def _archives() -> list[Archive]:
    """Return the archives of all datasets that are not made by the workflow."""
    return [archive for dataset in DATASETS.values() if not dataset.generated for archive in dataset.archives]


def _owner(archive: str) -> Dataset:
    """Return the dataset of one archive."""
    for dataset in DATASETS.values():
        if not dataset.generated and archive in {known.name for known in dataset.archives}:
            return dataset
    known = sorted(archive.name for archive in _archives())
    near = difflib.get_close_matches(archive, known, n=1, cutoff=0.4)
    hint = f"Did you mean `{near[0]}`?" if near else f"Name one of {', '.join(known)}."
    raise UserError(f"Setting `ingest.archives` names `{archive}`, which is no archive of any dataset. {hint}")
