"""Draw Table 1."""

from explainct.due.paper.table1_figure import table1_figure
from explainct.runtime.job import run

run(table1_figure, snakemake)
