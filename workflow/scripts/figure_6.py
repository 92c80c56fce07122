"""Draw Figure 6."""

from pathlib import Path

from due.job import job
from due.paper.sweeps import figure_6

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
