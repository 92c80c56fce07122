"""Check the variance of draws."""

from pathlib import Path

from due.job import job
from due.study.training import check_for_study
from due.train.device import choose_compute

with job(snakemake):
    check_for_study(
        study=snakemake.params.study,
        settings=snakemake.params.settings,
        model_file=Path(snakemake.input[0]),
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        steps_file=Path(snakemake.output.steps),
        draws_file=Path(snakemake.output.draws),
    )
