"""Explain some test lesions by every explainer, and score them."""

from explainct.runtime.job import run
from explainct.scoring.evaluate.explainers import compare_explainers

run(compare_explainers, snakemake)
