"""Fill the gaps of lesions, and weigh every voxel."""

from explainct.due.uncertainty.voxel_weights import map_weights
from explainct.runtime.job import run

run(map_weights, snakemake)
