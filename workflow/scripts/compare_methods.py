"""Compare each method with the reference, with intervals over patients."""

from explainct.due.paper.differences_table import compare_methods
from explainct.runtime.job import run

run(compare_methods, snakemake)
