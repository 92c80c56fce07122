"""Explain some test lesions by every explainer, and score them."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.data.samples.shown_lesions import choose_lesions
from explainct.runtime.device import choose_compute
from explainct.runtime.files import read_shards
from explainct.runtime.job import job
from explainct.scoring.evaluate.explainers import compare_explainers

with job(snakemake):
    settings = snakemake.params.settings
    store = SampleReader(
        read_shards(snakemake.input.crops),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.samples,
    )
    compare_explainers(
        samples=choose_lesions(pd.read_parquet(snakemake.input.samples), rows=settings["explained"]),
        lesions=pd.read_parquet(snakemake.input.lesions),
        store=store,
        model_file=Path(snakemake.input.models[0]),
        explainers=settings["explainers"],
        threshold=settings["threshold"],
        seed=snakemake.params.seed,
        batch_size=snakemake.params.batch_size,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
