"""Draw the overlap of every method with the hidden slices."""

from explainct.due.paper.interpolation_figure import interpolation_figure
from explainct.runtime.job import run

run(interpolation_figure, snakemake)
