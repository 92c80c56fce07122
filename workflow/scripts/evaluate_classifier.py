"""Score the predictions and explanations of a run."""

from explainct.runtime.job import run
from explainct.scoring.evaluate.score import evaluate_classifier

run(evaluate_classifier, snakemake)
