"""What made the tables and figures of a run: every setting, the code, the packages, and the devices."""

import platform
import re
from collections import defaultdict
from collections.abc import Mapping
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from explainct.report.html_page import page
from explainct.runtime.files import write_text
from explainct.runtime.job_list import read_job_list

PACKAGES = (
    "captum",
    "h5py",
    "highdicom",
    "monai",
    "numpy",
    "pandas",
    "pydicom",
    "pylidc",
    "scikit-learn",
    "scipy",
    "simpleitk",
    "snakemake",
    "torch",
)
"""Packages whose version may change a number."""

# As `explainct.runtime.device` logs it. Which of several equal GPUs a job gets is chance, so its number is left out.
DEVICE = re.compile(r" INFO device: (?:GPU \d+, )?(.+)$", re.MULTILINE)


def run_record(
    *,
    settings: Mapping[str, Any],
    code_hashes: Mapping[str, Any],
    job_list_file: Path,
    record_file: Path,
    html: Path,
) -> None:
    """Write the record of a run, from which it can be repeated: `settings` is what `--configfile` needs.

    Args:
        settings: all settings, defaults filled in.
        code_hashes: by script, the hash of the library modules that it uses; of the training, by method.
        job_list_file: JSON file with the run's jobs, each with its rule and the path of its log.
        record_file: YAML file with `settings`, `code`, `python`, the versions of `packages`, and
            the `devices` of each rule.
        html: the same as a page.
    """
    record = {
        "settings": dict(settings),
        "code": dict(code_hashes),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "devices": devices(job_list_file),
    }
    text = yaml.safe_dump(record, sort_keys=False, width=120)
    write_text(text, record_file)
    write_text(page("Settings, code, packages and devices", f"<pre>{escape(text)}</pre>"), html)


def devices(job_list_file: Path) -> dict[str, list[str]]:
    """Return by rule where its jobs computed, from the logs of the last try of each job of a list.

    Jobs whose results came from Snakemake's cache computed nowhere here.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for job in read_job_list(job_list_file):
        if job.log and Path(job.log).exists():
            found[job.rule].update(DEVICE.findall(Path(job.log).read_text(encoding="utf-8", errors="replace")))
    return {rule: sorted(names) for rule, names in sorted(found.items()) if names}
