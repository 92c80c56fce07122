"""Turn contours or label maps into lesions with annotated slices."""

from pathlib import Path

from due.annotate.archives import annotate_archives
from due.job import job

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
