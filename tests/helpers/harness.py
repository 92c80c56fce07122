"""A copy of the workflow in a folder of its own, at a tiny size."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TINY = {
    "ingest": {"demo_patients": 10},
    "samples": {
        "margin_mm": 2,
        "negatives_per_lesion": 1,
        "train": 0.46,
        "validation": 0.14,
        "grid": [16, 32, 32],
        "scans_per_shard": 6,
    },
    "interpolate": {
        "size": 16,
        "channels": [8, 8],
        "steps": 4,
        "epochs": 2,
        "steps_per_epoch": 2,
        "batch_size": 4,
    },
    "uncertainty": {"gaps": 8, "draws": 2, "latent": 4, "width": 8, "epochs": 2, "batch_size": 4},
    "train": {
        "methods": ["due", "res_l"],
        "samples": 4,
        "seeds": [0, 1],
        "epochs": 3,
        "batch_size": 2,
        "width": 0.0625,
    },
}


class Project:
    """A copy of the project's workflow in `folder`, made if it is not there, run by the Snakemake of these tests.

    Attributes:
        python: the interpreter that runs Snakemake.
        environment: variables that are set on top of those of the tests.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = sys.executable
        self.environment: dict[str, str] = {}
        if folder.exists():
            return
        folder.mkdir(parents=True)
        for name in ("workflow", "profiles", "envs"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / "config").mkdir()
        for name in ("lidc.yaml", "lidc_contours.yaml", "pancreas.yaml", "resources.csv"):
            shutil.copy(ROOT / "config" / name, folder / "config")
        self.configure(TINY)

    def configure(self, settings: dict) -> None:
        """Write the project's settings."""
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(settings))

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start snakemake in a process group of its own."""
        # The tests' own thread limits must not reach the jobs: results depend on the number of threads.
        environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
        return subprocess.Popen(
            [self.python, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env=environment | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, timeout: float = 600) -> tuple[int, str]:
        """Run snakemake and return its exit code and what it printed."""
        process = self.start(*arguments)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill(process)
            raise
        return process.returncode, output

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that a run would execute now."""
        status, output = self.run("-n", *arguments)
        assert status == 0, output
        return set(re.findall(r"^(\w+) +\d+$", output, re.M)) - {"total"}


def kill(process: subprocess.Popen) -> None:
    """Kill a process group with SIGKILL, as a power cut would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def failing(project: Project, *arguments: str) -> str:
    """Run what must fail with exit code 1 and no traceback, and return what was printed."""
    status, output = project.run("--cores", "2", *arguments)
    assert status == 1
    assert "Traceback" not in output
    return output
