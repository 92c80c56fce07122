"""Collect the filled lesions of a sample sheet."""

from explainct.predict.collect_filled import collect_filled
from explainct.runtime.job import run

run(collect_filled, snakemake)
