"""Compare all scores and all maps of the confidence study."""

from explainct.gax.study import compare_heatmaps
from explainct.runtime.job import run

run(compare_heatmaps, snakemake)
