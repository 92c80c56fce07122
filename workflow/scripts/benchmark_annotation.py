"""Time clustering and consensus next to pylidc."""

from pathlib import Path

from due.annotate.benchmark import benchmark_annotation
from due.job import job

with job(snakemake):
    benchmark_annotation(out=Path(snakemake.output[0]))
