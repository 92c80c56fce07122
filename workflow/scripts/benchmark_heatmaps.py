"""Time steps of GAX and maps of AX."""

from explainct.benchmarks.heatmaps import benchmark_heatmaps
from explainct.runtime.job import run

run(benchmark_heatmaps, snakemake)
