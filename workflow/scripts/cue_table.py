"""Write the table of the planted cue."""

from pathlib import Path

from explainct.due.paper.planted_cue_table import cue_table
from explainct.runtime.job import job

with job(snakemake):
    cue_table(
        cued_files=dict(zip(snakemake.params.methods, map(Path, snakemake.input), strict=True)),
        cohort=snakemake.params.cohort,
        strength=snakemake.params.strength,
        csv=Path(snakemake.output.csv),
        md=Path(snakemake.output.md),
    )
