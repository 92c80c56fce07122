"""Predict and explain views with the networks of a compared method."""

from explainct.cfalign.evaluate import evaluate_compared
from explainct.runtime.job import run

run(evaluate_compared, snakemake)
