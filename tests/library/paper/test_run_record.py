"""The record of a run."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml

from due.paper.run_record import PACKAGES, run_record

ROOT = Path(__file__).parents[3]


def test_settings_code_and_versions_come_back(tmp_path):
    out = tmp_path / "run.yaml"
    settings = {"dataset": "demo", "train": {"seeds": [0, 1], "lambda": 1.0}, "cases": {"window": None}}
    run_record(settings=settings, code={"table_1": "0123"}, out=out)
    record = yaml.safe_load(out.read_text())
    assert record["settings"] == settings
    assert list(record["settings"]) == list(settings)
    assert record["code"] == {"table_1": "0123"}
    assert record["packages"] == {name: version(name) for name in PACKAGES}


def test_the_packages_are_those_of_the_project():
    run = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["run"]
    assert set(PACKAGES) <= {one.split("==")[0] for one in run}
