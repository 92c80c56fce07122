"""Draw saliency precision and accuracy of every method."""

from explainct.cfalign.figures import precision_figure
from explainct.runtime.job import run

run(precision_figure, snakemake)
