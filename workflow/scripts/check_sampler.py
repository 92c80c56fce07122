"""Check the variance of draws."""

from pathlib import Path

from explainct.due.interpolation_study.train_models import check_for_study
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

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
