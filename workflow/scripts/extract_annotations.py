"""Turn readers' contours into lesions with annotated slices."""

from pathlib import Path

import pandas as pd

from due.annotate.extract import extract_annotations
from due.job import job

with job(snakemake.log[0]):
    extract_annotations(
        series=pd.read_parquet(snakemake.input.series),
        lesions_file=Path(snakemake.output.lesions),
        slices_file=Path(snakemake.output.slices),
        consensus_level=snakemake.params.settings["consensus"],
        keep_every=snakemake.params.settings["keep_every"],
        on_problem=snakemake.params.on_problem,
    )
