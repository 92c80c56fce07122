"""Score the heatmaps of a classifier by what they do to its logits."""

from explainct.gax.heatmap_scores import score_heatmaps
from explainct.runtime.job import run

run(score_heatmaps, snakemake)
