"""Compute the variance of the diffusion on LIDC contours."""

from pathlib import Path

from due.job import job
from due.study.training import sample_for_study
from due.train.device import choose_compute

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
