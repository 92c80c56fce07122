"""Draw histograms of the CO scores of a method."""

from explainct.gax.figures import score_histogram
from explainct.runtime.job import run

run(score_histogram, snakemake)
