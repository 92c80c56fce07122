"""Draw Figure 6."""

from explainct.due.paper.figures3_6 import figure_6
from explainct.runtime.job import run

run(figure_6, snakemake)
