"""The numbers that the DUE paper prints, as data."""

from pathlib import Path

import pandas as pd
import yaml

from explainct.errors import UserError

PUBLISHED_FILE = Path(__file__).with_name("due_table1.yaml")


def published_table(dataset: str) -> pd.DataFrame:
    """Return Table 1 of the DUE paper for one of its datasets, as fractions in [0, 1].

    Args:
        dataset: a key of `datasets` in `due_table1.yaml`.

    Returns:
        Columns published_method, published_metric, metric (ours of the same definition), published_mean and
        published_std (over 5 runs).

    Raises:
        UserError: the paper has no such dataset.
    """
    ours = _content()["metrics"]
    rows = [
        (method, metric, ours[metric], mean / 100, std / 100)
        for method, metrics in _dataset(dataset)["values"].items()
        for metric, (mean, std) in metrics.items()
    ]
    columns = ["published_method", "published_metric", "metric", "published_mean", "published_std"]
    return pd.DataFrame(rows, columns=columns)


def published_for_methods(dataset: str) -> pd.DataFrame:
    """Return the published numbers beside our methods: columns method, metric, published_mean and published_std.

    Raises:
        UserError: the paper has no such dataset.
    """
    ours = pd.DataFrame(
        [(theirs, method) for theirs, methods in _content()["methods"].items() for method in methods],
        columns=["published_method", "method"],
    )
    table = ours.merge(published_table(dataset), on="published_method")
    return table[["method", "metric", "published_mean", "published_std"]]


def published_title(dataset: str) -> str:
    """Return in words what the numbers of one of the paper's datasets were measured on.

    Args:
        dataset: a key of `datasets` in `due_table1.yaml`.

    Raises:
        UserError: the paper has no such dataset.
    """
    return _dataset(dataset)["title"]


def _dataset(name: str) -> dict:
    """Return what the file says of one of the paper's datasets."""
    datasets = _content()["datasets"]
    if name not in datasets:
        raise UserError(f"The paper has no dataset {name!r}, only {' and '.join(datasets)}. Name one of them, or none.")
    return datasets[name]


def _content() -> dict:
    return yaml.safe_load(PUBLISHED_FILE.read_text(encoding="utf-8"))
