"""What made the tables and figures of a run: every setting, the code, and the packages."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from due.files import replacing

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


def run_record(*, settings: Mapping[str, Any], code: Mapping[str, str], out: Path) -> None:
    """Write the record of a run, from which it can be repeated: `settings` is what `--configfile` needs.

    Args:
        settings: all settings, defaults filled in.
        code: by script, the hash of the library modules that it uses.
        out: YAML file with `settings`, `code`, `python` and the versions of `packages`.
    """
    record = {
        "settings": dict(settings),
        "code": dict(code),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }
    with replacing(out) as path:
        path.write_text(yaml.safe_dump(record, sort_keys=False, width=120), encoding="utf-8")
