"""What the workflow asks of Snakemake beyond its documented interface, in one place."""

from typing import Any


def is_main_process(workflow: Any) -> bool:
    """Tell whether this process plans the run; Snakemake starts others for single jobs."""
    return workflow.is_main_process
