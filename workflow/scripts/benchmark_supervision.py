"""Time a supervised training step against a plain one."""

from pathlib import Path

from explainct.benchmarks.supervision import benchmark_supervision
from explainct.runtime.device import choose_compute
from explainct.runtime.job import job

with job(snakemake):
    benchmark_supervision(
        grid=tuple(snakemake.params.grid),
        settings=snakemake.params.settings,
        predictor=snakemake.params.predictor,
        compute=choose_compute(snakemake.params.device, snakemake.threads),
        out=Path(snakemake.output[0]),
    )
