"""Compare the predicted variance with that of draws, and what both cost."""

from pathlib import Path

from due.job import job
from due.study.benchmark import benchmark_uncertainty
from due.train.device import choose_compute

with job(snakemake):
    benchmark_uncertainty(
        study=snakemake.params.study,
        settings=snakemake.params.settings,
        latent=snakemake.params.latent,
        interpolator_file=Path(snakemake.input.interpolator),
        predictor_file=Path(snakemake.input.predictor),
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
