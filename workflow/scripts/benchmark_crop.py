"""Time the reading of a nodule's box against the reading of the whole series."""

from explainct.benchmarks.crop import benchmark_crop
from explainct.runtime.job import run

run(benchmark_crop, snakemake)
