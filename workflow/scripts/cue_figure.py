"""Draw what the planted cue does."""

from explainct.cfalign.figures import cue_figure
from explainct.runtime.job import run

run(cue_figure, snakemake)
