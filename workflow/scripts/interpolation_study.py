"""Score every method on hidden slices of real contours."""

from pathlib import Path

from explainct.due.interpolation_study.compare import interpolation_study
from explainct.due.paper.interpolation_figure import figure_interpolation
from explainct.due.paper.uncertainty_figure import figure_uncertainty
from explainct.runtime.job import job

with job(snakemake):
    settings, output = snakemake.params.settings, snakemake.output
    interpolation_study(
        every=settings["every"],
        test=settings["test"],
        splits_file=Path(settings["splits"]) if settings["splits"] else None,
        seed=snakemake.params.seed,
        learned={name: Path(path) for name, path in zip(settings["learned"], snakemake.input, strict=True)},
        table_file=Path(output.table),
        slices_file=Path(output.slices),
        curves_file=Path(output.curves),
        shapes_file=Path(output.shapes),
    )
    figure_interpolation(table_file=Path(output.table), png=Path(output.png), pdf=Path(output.pdf))
    figure_uncertainty(
        table_file=Path(output.curves), png=Path(output.uncertainty_png), pdf=Path(output.uncertainty_pdf)
    )
