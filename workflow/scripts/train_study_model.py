"""Train a learned interpolator on LIDC contours."""

from explainct.due.interpolation_study.train_models import train_study_model
from explainct.runtime.job import run

run(train_study_model, snakemake)
