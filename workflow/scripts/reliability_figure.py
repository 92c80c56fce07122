"""Draw the reliability of predictions."""

from explainct.due.paper.reliability_figure import reliability_figure
from explainct.runtime.job import run

run(reliability_figure, snakemake)
