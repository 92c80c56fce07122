"""Draw saliency maps of every method."""

from explainct.cfalign.figures import saliency_figure
from explainct.runtime.job import run

run(saliency_figure, snakemake)
