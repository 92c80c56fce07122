"""Predict the label from size, mean HU and place of the blocks alone."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.runtime.files import read_shards, write_csv
from explainct.runtime.job import job
from explainct.scoring.evaluate.confounders import mean_hu, probe_confounders

with job(snakemake):
    store = SampleReader(
        read_shards(snakemake.input.crops),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.samples,
    )
    samples = pd.read_parquet(snakemake.input.samples)
    table = probe_confounders(
        samples, pd.read_parquet(snakemake.input.lesions), mean_hu(samples, store), seed=snakemake.params.seed
    )
    write_csv(table, snakemake.output[0])
