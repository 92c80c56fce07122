"""Compare the predicted variance with that of draws, and what both cost."""

from explainct.benchmarks.uncertainty import benchmark_uncertainty
from explainct.runtime.job import run

run(benchmark_uncertainty, snakemake)
