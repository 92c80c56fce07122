"""Draw Figure 6."""

from pathlib import Path

from explainct.due.paper.figures3_6 import figure_6
from explainct.runtime.job import job

with job(snakemake):
    figure_6(
        metrics_files=dict(zip(snakemake.params.weights, map(Path, snakemake.input.metrics), strict=True)),
        method=snakemake.params.method,
        baseline_file=Path(snakemake.input.baseline),
        threshold=snakemake.params.threshold,
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
