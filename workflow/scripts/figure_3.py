"""Draw Figure 3."""

from explainct.due.paper.figures3_6 import figure_3
from explainct.runtime.job import run

run(figure_3, snakemake)
