"""Cut the crops of one shard out of the scans."""

from pathlib import Path

from explainct.data.samples.crops import extract_crops
from explainct.runtime.job import job

with job(snakemake):
    extract_crops(
        archives=snakemake.params.archives,
        series_file=Path(snakemake.input.series),
        lesions_file=Path(snakemake.input.lesions),
        samples_file=Path(snakemake.input.samples),
        shard=int(snakemake.wildcards.shard),
        out=Path(snakemake.output[0]),
    )
