"""Score every compared method on validation and test patients."""

from explainct.cfalign.study import compare_aligned
from explainct.runtime.job import run

run(compare_aligned, snakemake)
