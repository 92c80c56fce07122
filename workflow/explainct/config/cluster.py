"""Settings of export and of how jobs are spread over machines."""

from pydantic import Field

from explainct.config.base import Settings


class Export(Settings):
    """Masks for other programs."""

    lesions: tuple[str, ...] = Field((), description="Ids of the lesions that `snakemake export` writes; none for all.")


class Cluster(Settings):
    """How jobs are spread over machines; docs/cluster.md."""

    resources: str = Field(
        "config/resources.csv",
        description="Table of what a job of each rule asks for: GPUs, memory (MB), run time (minutes) and disk (MB). "
        "Memory and run time grow with each attempt. A table of your own needs the changed rows only.",
    )
    cpu_partition: str = Field("", description="SLURM partition of jobs without a GPU; empty: the site's default.")
    gpu_partition: str = Field("", description="SLURM partition of jobs with a GPU; empty: the site's default.")
    gres: str = Field("", description="How jobs ask SLURM for a GPU, such as gpu:a100:1; empty: `--gpus=1`.")
