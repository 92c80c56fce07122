"""Add up time and memory by stage."""

from pathlib import Path

from due.job import job
from due.paper.stages import write_stage_times

with job(snakemake):
    write_stage_times(
        benchmark_folder=Path(snakemake.params.folder),
        dataset=snakemake.params.dataset,
        csv=Path(snakemake.output.csv),
        png=Path(snakemake.output.png),
    )
