"""Write the slice browser."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.due.paper.browser_lesions import browse_lesions
from explainct.runtime.files import read_shards
from explainct.runtime.job import job

with job(snakemake):
    methods = snakemake.params.methods
    store = SampleReader(
        read_shards(snakemake.input.lesions),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.lesions,
    )
    browse_lesions(
        samples=pd.read_parquet(snakemake.input.samples),
        lesions=pd.read_parquet(snakemake.input.lesions),
        store=store,
        filled_file=Path(snakemake.input.filled),
        predictions_files=dict(zip(methods, map(Path, snakemake.input.predictions), strict=True)),
        explanations_files=dict(zip(methods, map(Path, snakemake.input.explanations), strict=True)),
        cohort=snakemake.params.cohort,
        out=Path(snakemake.output[0]),
    )
