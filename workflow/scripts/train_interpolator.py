"""Train the diffusion interpolator."""

from pathlib import Path

from due.interpolate.train import train_interpolator
from due.job import job
from due.train.device import choose_compute

with job(snakemake):
    train_interpolator(
        lesions_file=Path(snakemake.input.lesions),
        slices_file=Path(snakemake.input.slices),
        splits_file=Path(snakemake.input.splits),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
        resume_from=Path(snakemake.params.resume_from),
    )
