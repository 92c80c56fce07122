"""Count what was found, lost and kept, and draw it."""

from pathlib import Path

import pandas as pd

from explainct.data.annotate.cohort_flow import cohort_flow
from explainct.due.paper.cohort_flow_figure import figure_flow
from explainct.runtime.files import write_csv
from explainct.runtime.job import job

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
