"""Draw the distributions of CO scores of a method."""

from explainct.gax.figures import score_boxplot
from explainct.runtime.job import run

run(score_boxplot, snakemake)
