"""Time a supervised training step against a plain one."""

from pathlib import Path

from due.job import job
from due.train.benchmark import benchmark_supervision
from due.train.device import choose_compute

with job(snakemake):
    benchmark_supervision(
        grid=tuple(snakemake.params.grid),
        settings=snakemake.params.settings,
        predictor=snakemake.params.predictor,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
