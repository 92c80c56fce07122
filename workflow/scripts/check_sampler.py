"""Check the variance of draws."""

from explainct.due.interpolation_study.train_models import check_sampler
from explainct.runtime.job import run

run(check_sampler, snakemake)
