"""Turn contours or label maps into lesions with annotated slices."""

from pathlib import Path

from explainct.data.annotate.annotate import annotate_archives
from explainct.runtime.job import job

with job(snakemake):
    annotate_archives(
        series_file=Path(snakemake.input.series),
        archives=snakemake.params.archives,
        lesions_file=Path(snakemake.output.lesions),
        slices_file=Path(snakemake.output.slices),
        scans_file=Path(snakemake.output.scans),
        settings=snakemake.params.settings,
        on_problem=snakemake.params.on_problem,
    )
