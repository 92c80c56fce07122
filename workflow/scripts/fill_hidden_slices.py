"""Fill in hidden slices of LIDC nodules by a learned method."""

from pathlib import Path

from due.job import job
from due.study.training import fill_for_study
from due.train.device import choose_compute

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
