"""Sixty small training runs in jobs of five seeds, next to one process for each.

`PYTHONPATH=tests/helpers python tests/workflow/benchmark_seeds_per_job.py` prints seconds of both, by one Snakemake on
one core, one after the other.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from harness import TINY, Project

METHODS = ("baseline_plus", "due", "gradia_3d", "haics_3d", "due_uniform", "due_minmax")
LAMBDAS = (1, 2)
SEEDS = (0, 1, 2, 3, 4)
TARGETS = [
    f"results/demo/classifiers/lesion/{method}/n4_lambda{lambda_}/seed{seed}/model.pt"
    for method in METHODS
    for lambda_ in LAMBDAS
    for seed in SEEDS
]


def seconds(project: Project, seeds_per_job: str) -> float:
    """Return the time in seconds that all runs take."""
    shutil.rmtree(project.folder / "results/demo/classifiers/lesion", ignore_errors=True)
    train = {**TINY["train"], "methods": list(METHODS), "seeds": list(SEEDS), "seeds_per_job": seeds_per_job}
    project.configure({**TINY, "train": train})
    start = time.perf_counter()
    status, output = project.run("--cores", "1", *TARGETS, timeout=3600)
    if status:
        sys.exit(output[-3000:])
    return time.perf_counter() - start


def main() -> None:
    """Make what training needs, then time both ways."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        status, output = project.run("--cores", "2", "results/demo/due/uncertainty/weights/shards.csv")
        if status:
            sys.exit(output[-3000:])
        together, apart = (seconds(project, choice) for choice in ("all", "one"))
    print(f"{len(TARGETS)} runs: {together:.0f} s in jobs of {len(SEEDS)} seeds, {apart:.0f} s with a job for each")  # noqa: T201
    print(f"ratio {together / apart:.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
