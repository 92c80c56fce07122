"""Sample the variance of the interpolation, one shard."""

from pathlib import Path

from explainct.due.uncertainty.variance_sampling import sample_variance
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    sample_variance(
        lesions_file=Path(snakemake.input.lesions),
        slices_file=Path(snakemake.input.slices),
        splits_file=Path(snakemake.input.splits),
        model_file=Path(snakemake.input.model),
        interpolate_settings=snakemake.params.interpolate,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        shard=int(snakemake.wildcards.shard),
        shards=snakemake.params.shards,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
