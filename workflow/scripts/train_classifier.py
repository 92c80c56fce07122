"""Train one method with all seeds."""

from pathlib import Path

import pandas as pd

from due.cases.store import CaseStore
from due.files import read_shards
from due.job import job
from due.train.classifier import train_seeds
from due.train.device import choose_compute

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
