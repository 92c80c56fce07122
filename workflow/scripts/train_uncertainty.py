"""Train the imputed uncertainty predictor."""

from pathlib import Path

from explainct.due.uncertainty.train import train_uncertainty
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    train_uncertainty(
        variance_files=[Path(path) for path in snakemake.input],
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
        resume_from=Path(snakemake.params.resume_from),
    )
