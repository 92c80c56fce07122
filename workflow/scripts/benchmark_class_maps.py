"""Time maps of six classes next to one forward and backward pass, and next to captum."""

from explainct.benchmarks.class_maps import benchmark_class_maps
from explainct.runtime.job import run

run(benchmark_class_maps, snakemake)
