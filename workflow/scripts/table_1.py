"""Write Table 1."""

from pathlib import Path

from explainct.due.paper.table1 import table_1
from explainct.runtime.job import job

with job(snakemake):
    table_1(
        metrics_files=dict(zip(snakemake.params.methods, map(Path, snakemake.input.metrics), strict=True)),
        dataset=snakemake.params.dataset,
        cohort=snakemake.params.cohort,
        published_dataset="lidc",
        threshold=snakemake.params.threshold,
        csv=Path(snakemake.output.csv),
        md=Path(snakemake.output.md),
        tex=Path(snakemake.output.tex),
        html=Path(snakemake.output.html),
    )
