"""Generate GAX maps of a classifier."""

from explainct.gax.heatmaps import generate_heatmaps
from explainct.runtime.job import run

run(generate_heatmaps, snakemake)
