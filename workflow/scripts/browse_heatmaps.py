"""Write the page that shows maps of GAX step by step."""

from explainct.gax.browse import browse_heatmaps
from explainct.runtime.job import run

run(browse_heatmaps, snakemake)
