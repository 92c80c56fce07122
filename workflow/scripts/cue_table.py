"""Write the table of the planted cue."""

from explainct.due.paper.planted_cue_table import cue_table
from explainct.runtime.job import run

run(cue_table, snakemake)
