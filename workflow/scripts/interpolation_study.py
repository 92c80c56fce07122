"""Score every method on hidden slices of LIDC nodules."""

from explainct.due.interpolation_study.compare import interpolation_study
from explainct.runtime.job import run

run(interpolation_study, snakemake)
