"""Draw Figure 5."""

from explainct.due.paper.figure5 import figure_5
from explainct.runtime.job import run

run(figure_5, snakemake)
