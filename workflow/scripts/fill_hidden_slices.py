"""Fill in hidden slices of LIDC nodules by a learned method."""

from pathlib import Path

from explainct.due.interpolation_study.train_models import fill_for_study
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    fill_for_study(
        snakemake.wildcards.filler,
        study=snakemake.params.study,
        settings=snakemake.params.settings,
        latent=snakemake.params.latent,
        model_file=Path(snakemake.input[0]),
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
