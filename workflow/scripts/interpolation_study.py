"""Score classical interpolation on hidden slices of real contours."""

from pathlib import Path

from due.interpolate.study import interpolation_study
from due.job import job
from due.paper.figure_interpolation import figure_interpolation

with job(snakemake.log[0]):
    settings = snakemake.params.settings
    interpolation_study(
        every=settings["every"],
        test=settings["test"],
        splits_file=Path(settings["splits"]) if settings["splits"] else None,
        seed=snakemake.params.seed,
        table_file=Path(snakemake.output.table),
        slices_file=Path(snakemake.output.slices),
    )
    figure_interpolation(
        table_file=Path(snakemake.output.table),
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
