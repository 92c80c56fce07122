"""Predict every test sample with the planted cue aligned, absent and reversed."""

from functools import partial
from pathlib import Path

import pandas as pd

from due.cases.store import CaseStore
from due.evaluate.cued import predict_cued
from due.files import read_shards
from due.job import job
from due.train.device import choose_compute

with job(snakemake):
    predict_cued(
        samples=pd.read_parquet(snakemake.input.samples),
        store_of=partial(
            CaseStore,
            read_shards(snakemake.input.cases),
            Path(snakemake.input.slices),
            Path(snakemake.input.lesions),
            snakemake.params.cases,
        ),
        model_files=dict(zip(snakemake.params.seeds, map(Path, snakemake.input.models), strict=True)),
        settings=snakemake.params.settings,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
