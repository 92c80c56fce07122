"""Draw counterfactual images and their changes."""

from explainct.cfalign.figures import changes_figure
from explainct.runtime.job import run

run(changes_figure, snakemake)
