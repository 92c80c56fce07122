"""Score planes between slices, and how methods leave annotated slices."""

from explainct.due.interpolation_study.planes_between import planes_between
from explainct.runtime.job import run

run(planes_between, snakemake)
