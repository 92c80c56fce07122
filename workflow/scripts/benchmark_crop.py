"""Time the reading of a nodule's box against the reading of the whole series."""

from pathlib import Path

from explainct.benchmarks.crop import benchmark_crop
from explainct.runtime.job import job

with job(snakemake):
    benchmark_crop(out=Path(snakemake.output[0]), folder=Path(snakemake.resources.tmpdir))
