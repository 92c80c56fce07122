"""Train one method with all seeds."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.learning.train.classifier import train_seeds
from explainct.runtime.device import choose_compute
from explainct.runtime.files import read_shards
from explainct.runtime.job import job

with job(snakemake):
    store = SampleReader(
        read_shards(snakemake.input.crops),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.samples,
    )
    train_seeds(
        method=snakemake.wildcards.method,
        n=int(snakemake.wildcards.n),
        seeds=snakemake.params.seeds,
        samples=pd.read_parquet(snakemake.input.samples),
        store=store,
        weight_files=read_shards(snakemake.input.weights),
        settings={**snakemake.params.settings, "lambda": float(snakemake.wildcards.lam)},
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        folder=Path(snakemake.params.folder),
        code=snakemake.params.code,
    )
