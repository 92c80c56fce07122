"""Score the interpolator on hidden slices of validation patients."""

from explainct.due.interpolation.evaluate import evaluate_interpolator
from explainct.runtime.job import run

run(evaluate_interpolator, snakemake)
