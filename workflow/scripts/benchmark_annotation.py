"""Time clustering and consensus next to pylidc."""

from pathlib import Path

from explainct.benchmarks.consensus import benchmark_annotation
from explainct.runtime.job import job

with job(snakemake):
    benchmark_annotation(out=Path(snakemake.output[0]))
