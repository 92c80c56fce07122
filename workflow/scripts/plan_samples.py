"""List the samples, and draw who trains, validates and tests."""

from explainct.data.samples.sample_table import plan_samples
from explainct.runtime.job import run

run(plan_samples, snakemake)
