"""Fill the gaps of one shard's training lesions, and weigh every voxel."""

from pathlib import Path

import pandas as pd

from explainct.due.uncertainty.voxel_weights import map_weights, training_ids
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    map_weights(
        lesions_file=Path(snakemake.input.lesions),
        slices_file=Path(snakemake.input.slices),
        lesion_ids=training_ids(pd.read_parquet(snakemake.input.samples), int(snakemake.wildcards.shard)),
        interpolator_file=Path(snakemake.input.interpolator),
        predictor_file=Path(snakemake.input.predictor),
        margin_mm=snakemake.params.samples["margin_mm"],
        grid=tuple(snakemake.params.samples["grid"]),
        interpolate_settings=snakemake.params.interpolate,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
