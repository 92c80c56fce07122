"""Add up time and memory by stage."""

from pathlib import Path

from explainct.report.stage_times import write_stage_times
from explainct.runtime.job import job

with job(snakemake):
    write_stage_times(
        benchmark_folder=Path(snakemake.params.folder),
        dataset=snakemake.params.dataset,
        csv=Path(snakemake.output.csv),
        png=Path(snakemake.output.png),
    )
