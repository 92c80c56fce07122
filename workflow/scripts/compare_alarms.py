"""Tune every alarm on validation nodules and compare them on test nodules."""

from explainct.informer.study import compare_alarms
from explainct.runtime.job import run

run(compare_alarms, snakemake)
