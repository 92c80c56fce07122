"""Draw Table 1."""

from pathlib import Path

import pandas as pd

from explainct.due.paper.table1_figure import figure_table1
from explainct.runtime.job import job

with job(snakemake):
    methods = snakemake.params.methods
    figure_table1(
        predictions_files=dict(zip(methods, map(Path, snakemake.input.predictions), strict=True)),
        lesions_files=dict(zip(methods, map(Path, snakemake.input.lesions), strict=True)),
        samples=pd.read_parquet(snakemake.input.samples),
        seed=snakemake.params.seed,
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
