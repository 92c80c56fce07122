"""Score what fills the gaps on hidden slices of validation patients."""

from explainct.due.uncertainty.evaluate_filling import evaluate_filling
from explainct.runtime.job import run

run(evaluate_filling, snakemake)
