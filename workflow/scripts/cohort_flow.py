"""Count what was found, lost and kept, and draw it."""

from pathlib import Path

import pandas as pd

from due.annotate.flow import cohort_flow
from due.files import write_csv
from due.job import job
from due.paper.figure_flow import figure_flow

with job(snakemake):
    names = ("scans", "lesions", "samples")
    flow = cohort_flow(*(pd.read_parquet(snakemake.input[name]) for name in names), snakemake.params.settings)
    write_csv(flow, snakemake.output.csv)
    figure_flow(
        flow_file=Path(snakemake.output.csv),
        cohort=snakemake.params.cohort,
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
