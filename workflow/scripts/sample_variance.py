"""Sample the variance of the interpolation, one shard."""

from explainct.due.uncertainty.variance_sampling import sample_variance
from explainct.runtime.job import run

run(sample_variance, snakemake)
