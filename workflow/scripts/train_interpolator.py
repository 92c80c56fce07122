"""Train the diffusion interpolator."""

from pathlib import Path

from explainct.due.interpolation.train import train_interpolator
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

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
