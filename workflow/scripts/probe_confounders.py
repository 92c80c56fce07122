"""Predict the label from size, mean HU and place of the blocks alone."""

from explainct.runtime.job import run
from explainct.scoring.evaluate.confounders import probe_confounders

run(probe_confounders, snakemake)
