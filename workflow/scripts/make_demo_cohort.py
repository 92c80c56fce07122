"""Write the DICOM series of the demo."""

from pathlib import Path

from explainct.data.demo.cohort import make_demo_cohort
from explainct.runtime.job import job

with job(snakemake):
    make_demo_cohort(
        ct_file=Path(snakemake.input.ct),
        labels_file=Path(snakemake.input.labels),
        folder=Path(snakemake.output[0]),
        patients=snakemake.params.patients,
        margin_mm=snakemake.params.margin_mm,
        seed=snakemake.params.seed,
    )
