"""Count the lesions and slices that taught interpolator, uncertainty predictor and classifiers."""

from explainct.due.paper.taught_table import count_taught
from explainct.runtime.job import run

run(count_taught, snakemake)
