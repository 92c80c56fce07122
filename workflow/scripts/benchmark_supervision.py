"""Time a supervised training step against a plain one."""

from explainct.benchmarks.supervision import benchmark_supervision
from explainct.runtime.job import run

run(benchmark_supervision, snakemake)
