"""Predict the label from size, mean HU and place of the blocks alone."""

from pathlib import Path

import pandas as pd

from due.cases.store import CaseStore
from due.evaluate.confounders import mean_hu, probe_confounders
from due.files import read_shards, write_csv
from due.job import job

with job(snakemake):
    store = CaseStore(
        read_shards(snakemake.input.cases),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.cases,
    )
    samples = pd.read_parquet(snakemake.input.samples)
    table = probe_confounders(
        samples, pd.read_parquet(snakemake.input.lesions), mean_hu(samples, store), seed=snakemake.params.seed
    )
    write_csv(table, snakemake.output[0])
