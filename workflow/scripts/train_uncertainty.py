"""Train the imputed uncertainty predictor."""

from pathlib import Path

from due.job import job
from due.train.device import choose_compute
from due.uncertainty.train import train_uncertainty

with job(snakemake):
    train_uncertainty(
        variance_files=[Path(path) for path in snakemake.input],
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
        resume_from=Path(snakemake.params.resume_from),
    )
