"""Add up time and memory of each rule."""

from explainct.report.stage_times import stage_times
from explainct.runtime.job import run

run(stage_times, snakemake)
