"""Predict every test sample and explain every test lesion."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.runtime.device import choose_compute
from explainct.runtime.files import read_shards
from explainct.runtime.job import job
from explainct.scoring.evaluate.predict import explain_classifier

with job(snakemake):
    store = SampleReader(
        read_shards(snakemake.input.crops),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.samples,
    )
    explain_classifier(
        samples=pd.read_parquet(snakemake.input.samples),
        store=store,
        model_files=dict(zip(snakemake.params.seeds, map(Path, snakemake.input.models), strict=True)),
        settings=snakemake.params.settings,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        predictions_file=Path(snakemake.output.predictions),
        explanations_file=Path(snakemake.output.explanations),
    )
