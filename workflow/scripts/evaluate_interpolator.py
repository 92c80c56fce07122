"""Score the interpolator on hidden slices of validation patients."""

from pathlib import Path

from explainct.due.interpolation.evaluate import evaluate_interpolator
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    evaluate_interpolator(
        lesions_file=Path(snakemake.input.lesions),
        slices_file=Path(snakemake.input.slices),
        splits_file=Path(snakemake.input.splits),
        model_file=Path(snakemake.input.model),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
