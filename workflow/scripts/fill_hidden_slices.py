"""Fill in hidden slices of LIDC nodules by a learned method."""

from explainct.due.interpolation_study.train_models import fill_hidden_slices
from explainct.runtime.job import run

run(fill_hidden_slices, snakemake)
