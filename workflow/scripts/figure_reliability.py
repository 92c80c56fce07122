"""Draw the reliability of predictions."""

from pathlib import Path

from explainct.due.paper.reliability_figure import figure_reliability
from explainct.runtime.job import job

with job(snakemake):
    figure_reliability(
        predictions_files=dict(zip(snakemake.params.methods, map(Path, snakemake.input), strict=True)),
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
