"""What Snakemake puts into scripts, for jobs that tests start without it."""

from pathlib import Path
from types import SimpleNamespace


def fake_snakemake(log: str | Path) -> SimpleNamespace:
    """Return the `snakemake` of a job with a log and one output, `made.txt`."""
    return SimpleNamespace(
        rule="a", input=[], output=["made.txt"], params={"x": 1}, resources={"mem_mb": 1}, log=[str(log)]
    )
