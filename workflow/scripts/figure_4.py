"""Draw Figure 4."""

from explainct.due.paper.figure4 import figure_4
from explainct.runtime.job import run

run(figure_4, snakemake)
