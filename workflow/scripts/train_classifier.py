"""Train one method with all seeds."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import CaseStore
from explainct.learning.train.classifier import train_seeds
from explainct.runtime.device import choose_compute
from explainct.runtime.files import read_shards
from explainct.runtime.job import job

with job(snakemake):
    store = CaseStore(
        read_shards(snakemake.input.cases),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.cases,
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
