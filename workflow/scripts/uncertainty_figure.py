"""Draw what the uncertainty of every method knows of its errors."""

from explainct.due.paper.uncertainty_figure import uncertainty_figure
from explainct.runtime.job import run

run(uncertainty_figure, snakemake)
