"""Score validation and test nodules."""

from explainct.informer.scores import score_monitored
from explainct.runtime.job import run

run(score_monitored, snakemake)
