"""Draw the reliability of predictions."""

from pathlib import Path

from due.job import job
from due.paper.figure_reliability import figure_reliability

with job(snakemake):
    figure_reliability(
        predictions_files=dict(zip(snakemake.params.methods, map(Path, snakemake.input), strict=True)),
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
