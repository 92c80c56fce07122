"""Draw the class maps of one test nodule with their distinctiveness."""

from explainct.informer.figures import class_maps_figure
from explainct.runtime.job import run

run(class_maps_figure, snakemake)
