"""Fill the gaps of the test lesions that the slice browser shows."""

from pathlib import Path

import pandas as pd

from due.job import job
from due.paper.choice import choose_lesions
from due.train.device import choose_compute
from due.uncertainty.weights import map_weights

with job(snakemake):
    shown = choose_lesions(pd.read_parquet(snakemake.input.samples), rows=snakemake.params.rows)
    map_weights(
        lesions_file=Path(snakemake.input.lesions),
        slices_file=Path(snakemake.input.slices),
        lesion_ids=shown["lesion_id"].tolist(),
        interpolator_file=Path(snakemake.input.interpolator),
        predictor_file=Path(snakemake.input.predictor),
        margin_mm=snakemake.params.cases["margin_mm"],
        grid=tuple(snakemake.params.cases["grid"]),
        interpolate_settings=snakemake.params.interpolate,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
