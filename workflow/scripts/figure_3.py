"""Draw Figure 3."""

from pathlib import Path

from explainct.due.paper.figures3_6 import figure_3
from explainct.runtime.job import job

with job(snakemake):
    runs = map(tuple, snakemake.params.runs)
    figure_3(
        metrics_files=dict(zip(runs, map(Path, snakemake.input), strict=True)),
        threshold=snakemake.params.threshold,
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
