"""Compare the predicted variance with that of draws, and what both cost."""

from pathlib import Path

from explainct.benchmarks.uncertainty import benchmark_uncertainty
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

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
