"""Sample the variance of the diffusion on LIDC contours."""

from explainct.due.interpolation_study.train_models import sample_study_variance
from explainct.runtime.job import run

run(sample_study_variance, snakemake)
