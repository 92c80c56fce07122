"""Draw Figure 5."""

from pathlib import Path

from explainct.due.paper.figure5 import figure_5
from explainct.runtime.job import job

with job(snakemake):
    figure_5(
        metrics_files=dict(zip(snakemake.params.methods, map(Path, snakemake.input.metrics), strict=True)),
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
