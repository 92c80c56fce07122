"""Predict every test sample with the planted cue aligned, absent and reversed."""

from explainct.runtime.job import run
from explainct.scoring.evaluate.planted_cue import predict_cued

run(predict_cued, snakemake)
