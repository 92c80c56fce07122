"""Draw who trains, validates and tests."""

from explainct.data.samples.splits import split_patients
from explainct.runtime.job import run

run(split_patients, snakemake)
