"""Predict every test sample and explain every test lesion."""

from explainct.runtime.job import run
from explainct.scoring.evaluate.predict import explain_classifier

run(explain_classifier, snakemake)
