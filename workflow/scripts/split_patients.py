"""List the samples and draw the split of each patient."""

from pathlib import Path

from explainct.data.samples.sample_table import plan_samples
from explainct.runtime.job import job

with job(snakemake):
    plan_samples(
        lesions_file=Path(snakemake.input.lesions),
        samples_file=Path(snakemake.output.samples),
        splits_file=Path(snakemake.output.splits),
        settings=snakemake.params.settings,
        shards=snakemake.params.shards,
        seed=snakemake.params.seed,
    )
