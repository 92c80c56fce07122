"""Train a learned interpolator on LIDC contours."""

from pathlib import Path

from explainct.due.interpolation_study.train_models import train_for_study
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    train_for_study(
        snakemake.wildcards.kind,
        study=snakemake.params.study,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
        resume_from=Path(snakemake.params.resume_from),
    )
