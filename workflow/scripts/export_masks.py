"""Write the lesions' masks and interpolated annotations for other programs."""

from pathlib import Path

from due.export.lesions import export_lesions
from due.files import read_shards
from due.job import job

with job(snakemake):
    export_lesions(
        series_file=Path(snakemake.input.series),
        lesions_file=Path(snakemake.input.lesions),
        slices_file=Path(snakemake.input.slices),
        samples_file=Path(snakemake.input.samples),
        weights_files=read_shards(snakemake.input.weights),
        archives={name: Path(folder) for name, folder in snakemake.params.archives.items()},
        lesions=snakemake.params.lesions,
        out=Path(snakemake.output[0]),
    )
