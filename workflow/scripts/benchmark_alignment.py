"""Time steps with the alignment of counterfactuals next to plain ones."""

from explainct.benchmarks.alignment import benchmark_alignment
from explainct.runtime.job import run

run(benchmark_alignment, snakemake)
