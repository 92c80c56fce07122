"""Draw one filled gap."""

from explainct.due.paper.filled_gap_figure import filled_gap_figure
from explainct.runtime.job import run

run(filled_gap_figure, snakemake)
