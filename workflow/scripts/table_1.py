"""Write Table 1."""

from explainct.due.paper.table1 import table_1
from explainct.runtime.job import run

run(table_1, snakemake)
