"""A small workflow of a test's own, run by Snakemake in a folder."""

import os
import subprocess
import sys
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "workflow"


def run_toy(folder: Path, snakefile: str, *arguments: str, python: str = sys.executable, **environment: str) -> str:
    """Run the workflow in a Snakefile, with the library on the path, and return what was printed.

    Args:
        folder: where the Snakefile is written and run.
        snakefile: its text.
        arguments: of the command `snakemake`.
        python: the interpreter.
        environment: variables to set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Snakefile").write_text(snakefile)
    done = subprocess.run(
        [python, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(LIBRARY), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.stdout
