"""Fill the gaps of the test lesions that the slice browser shows."""

from pathlib import Path

import pandas as pd

from explainct.data.samples.shown_lesions import choose_lesions
from explainct.due.uncertainty.voxel_weights import map_weights
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    shown = choose_lesions(pd.read_parquet(snakemake.input.samples), rows=snakemake.params.rows)
    map_weights(
        lesions_file=Path(snakemake.input.lesions),
        slices_file=Path(snakemake.input.slices),
        lesion_ids=shown["lesion_id"].tolist(),
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
