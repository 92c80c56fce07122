"""Draw Figure 4."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.due.paper.figure4 import figure_4
from explainct.runtime.files import read_shards
from explainct.runtime.job import job

with job(snakemake):
    store = SampleReader(
        read_shards(snakemake.input.crops),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.samples,
    )
    figure_4(
        samples=pd.read_parquet(snakemake.input.samples),
        lesions=pd.read_parquet(snakemake.input.lesions),
        store=store,
        explanations_files=dict(zip(snakemake.params.methods, map(Path, snakemake.input.explanations), strict=True)),
        threshold=snakemake.params.threshold,
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
