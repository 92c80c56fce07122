"""Write the lesions' masks and interpolated annotations for other programs."""

from pathlib import Path

from explainct.data.export.lesions import export_lesions
from explainct.runtime.files import read_shards
from explainct.runtime.job import job

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
