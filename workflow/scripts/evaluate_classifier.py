"""Score the predictions and explanations of a run."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.reader import SampleReader
from explainct.learning.train.methods import METHODS
from explainct.runtime.files import read_shards
from explainct.runtime.job import job
from explainct.scoring.evaluate.score import evaluate_classifier

with job(snakemake):
    store = SampleReader(
        read_shards(snakemake.input.crops),
        Path(snakemake.input.slices),
        Path(snakemake.input.lesions),
        snakemake.params.samples,
    )
    evaluate_classifier(
        predictions_file=Path(snakemake.input.predictions),
        explanations_file=Path(snakemake.input.explanations),
        samples=pd.read_parquet(snakemake.input.samples),
        store=store,
        grid=store.grid,
        dims=METHODS[snakemake.wildcards.method].dims,
        threshold=snakemake.params.threshold,
        out=Path(snakemake.output.metrics),
        lesions_out=Path(snakemake.output.lesions),
    )
