"""Time clustering and consensus next to pylidc."""

from explainct.benchmarks.consensus import benchmark_annotation
from explainct.runtime.job import run

run(benchmark_annotation, snakemake)
