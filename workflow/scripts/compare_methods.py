"""Compare each method with the reference, with intervals over patients."""

from pathlib import Path

import pandas as pd

from explainct.due.paper.differences_table import compare_methods
from explainct.runtime.job import job

with job(snakemake):
    methods = snakemake.params.methods
    compare_methods(
        predictions_files=dict(zip(methods, map(Path, snakemake.input.predictions), strict=True)),
        lesions_files=dict(zip(methods, map(Path, snakemake.input.lesions), strict=True)),
        samples=pd.read_parquet(snakemake.input.samples),
        reference=snakemake.params.reference,
        seed=snakemake.params.seed,
        out=Path(snakemake.output[0]),
    )
