"""Draw the error rate of the most certain predictions over their share."""

from explainct.informer.figures import risk_coverage_figure
from explainct.runtime.job import run

run(risk_coverage_figure, snakemake)
