"""Draw the CO score over the steps of each form of GAX."""

from explainct.gax.figures import gax_curves
from explainct.runtime.job import run

run(gax_curves, snakemake)
