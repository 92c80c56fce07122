"""Draw one filled gap."""

from pathlib import Path

import pandas as pd

from explainct.due.paper.filled_gap_figure import figure_gap
from explainct.runtime.files import read_shards
from explainct.runtime.job import job

with job(snakemake):
    figure_gap(
        weights_files=read_shards(snakemake.input.weights),
        samples=pd.read_parquet(snakemake.input.samples),
        lesions=pd.read_parquet(snakemake.input.lesions),
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
