"""Print the dataset that settings files name, the last one counting: `python -m explainct.config mine.yaml`.

As in a run, `config/config.yaml` is read first where there is one.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from explainct.config import Config


def dataset_of(files: Sequence[Path]) -> str:
    """Return the dataset that the last of some settings files names; the default where none does.

    Args:
        files: settings files as a run takes them, each a mapping or empty.
    """
    names = [(yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("dataset") for path in files]
    return next((name for name in reversed(names) if name), Config.model_fields["dataset"].default)


if __name__ == "__main__":
    print(dataset_of([*Path("config").glob("config.yaml"), *map(Path, sys.argv[1:])]))  # noqa: T201
