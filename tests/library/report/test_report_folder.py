"""The folder of a report: the dataset that the settings files of a run name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("files", "dataset"),
    [
        ({}, "demo"),
        ({"config/config.yaml": "dataset: mine\n"}, "mine"),
        ({"config/config.yaml": "dataset: mine\n", "a.yaml": 'dataset: "quoted"  # words\n', "b.yaml": ""}, "quoted"),
        ({"a.yaml": "dataset: first\n", "b.yaml": "dataset: last\n", "c.yaml": "seed: 1\n"}, "last"),
    ],
)
def test_the_last_file_that_names_a_dataset_counts(tmp_path, files, dataset):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    named = [name for name in files if "/" not in name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, "-m", "explainct.config", *named]
    printed = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert printed.stdout == f"{dataset}\n"
