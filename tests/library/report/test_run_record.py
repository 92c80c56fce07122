"""The record of a run."""

import tomllib
from html import unescape
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import yaml

from explainct.report.run_record import DEVICE, PACKAGES, devices, run_record
from explainct.runtime.device import choose_compute
from explainct.runtime.job_list import JobFiles, write_job_list

ROOT = Path(__file__).parents[3]


@pytest.fixture
def job_list(tmp_path):
    """Write a job with its log for each path, and return the list of the jobs."""

    def write(lines):
        for name, device in lines.items():
            path = tmp_path / "logs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"2026-01-01 10:00:00,000 INFO 3 lesions\n2026-01-01 10:00:01,000 INFO device: {device}\n")
        jobs = [JobFiles(name.removesuffix(".log").split("/")[0], "", str(tmp_path / "logs" / name)) for name in lines]
        write_job_list(jobs, tmp_path / "jobs.json")
        return tmp_path / "jobs.json"

    return write


def test_settings_code_and_versions_come_back(tmp_path, job_list):
    out = tmp_path / "run.yaml"
    settings = {"dataset": "demo", "train": {"seeds": [0, 1], "lambda": 1.0}, "samples": {"window": None}}
    jobs = job_list({"train_classifier/due.log": "cpu, 2 threads, float32"})
    page = tmp_path / "run.html"
    hashes = {"table_1": "0123"}
    run_record(settings=settings, code_hashes=hashes, job_list_file=jobs, record_file=out, html=page)
    record = yaml.safe_load(out.read_text())
    assert record["settings"] == settings
    assert list(record["settings"]) == list(settings)
    assert record["code"] == hashes
    assert record["packages"] == {name: version(name) for name in PACKAGES}
    assert record["devices"] == {"train_classifier": ["cpu, 2 threads, float32"]}
    assert "2026" not in out.read_text()
    assert unescape(page.read_text()).count(out.read_text()) == 1


def test_devices_are_those_that_the_jobs_of_a_rule_named_each_once(tmp_path, job_list):
    jobs = job_list(
        {
            "train_classifier/due.log": "GPU 0, NVIDIA H100, bfloat16",
            "train_classifier/res.log": "GPU 3, NVIDIA H100, bfloat16",
            "train_classifier/haics.log": "cpu, 4 threads, float32",
            "map_weights.log": "cpu, 1 threads, float32",
            "table_1.log": "",
        }
    )
    (tmp_path / "logs/table_1.log").write_text("2026-01-01 10:00:00,000 INFO no device: none\n")
    (tmp_path / "logs/train_classifier/of_an_earlier_run.log").write_text(
        "x INFO device: GPU 0, NVIDIA A100, float32\n"
    )
    assert devices(jobs) == {
        "map_weights": ["cpu, 1 threads, float32"],
        "train_classifier": ["NVIDIA H100, bfloat16", "cpu, 4 threads, float32"],
    }


def test_the_line_is_the_one_that_the_device_writes(caplog):
    with caplog.at_level("INFO"):
        choose_compute("cpu")
    assert DEVICE.findall(f"2026-01-01 10:00:00,000 INFO {caplog.messages[0]}\n") == [
        f"cpu, {torch.get_num_threads()} threads, float32"
    ]


def test_the_packages_are_those_of_the_project():
    run = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["run"]
    assert set(PACKAGES) <= {one.split("==")[0] for one in run}
