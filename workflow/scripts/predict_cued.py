"""Predict every test sample with the planted cue aligned, absent and reversed."""

from functools import partial
from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.runtime.device import choose_compute
from explainct.runtime.files import read_shards
from explainct.runtime.job import job
from explainct.scoring.evaluate.planted_cue import predict_cued

with job(snakemake):
    predict_cued(
        samples=pd.read_parquet(snakemake.input.samples),
        store_of=partial(
            SampleReader,
            read_shards(snakemake.input.crops),
            Path(snakemake.input.slices),
            Path(snakemake.input.lesions),
            snakemake.params.samples,
        ),
        model_files=dict(zip(snakemake.params.seeds, map(Path, snakemake.input.models), strict=True)),
        settings=snakemake.params.settings,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
