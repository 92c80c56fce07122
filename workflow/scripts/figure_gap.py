"""Draw one filled gap."""

from pathlib import Path

import pandas as pd

from due.files import read_shards
from due.job import job
from due.paper.figure_gap import figure_gap

with job(snakemake):
    figure_gap(
        weights_files=read_shards(snakemake.input.weights),
        samples=pd.read_parquet(snakemake.input.samples),
        lesions=pd.read_parquet(snakemake.input.lesions),
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
