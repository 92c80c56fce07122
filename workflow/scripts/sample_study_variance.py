"""Compute the variance of the diffusion on LIDC contours."""

from pathlib import Path

from explainct.due.interpolation_study.train_models import sample_for_study
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    sample_for_study(
        study=snakemake.params.study,
        settings=snakemake.params.settings,
        uncertainty=snakemake.params.uncertainty,
        model_file=Path(snakemake.input[0]),
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
