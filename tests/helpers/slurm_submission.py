"""A Snakemake that submits, under a time limit that it cannot escape."""

import os
import signal
import subprocess
from pathlib import Path

from slurm_cluster import RESOURCES, SNAKEMAKE, Cluster, until

# Holds where the tests themselves were killed: a Snakemake without its cluster would ask for ever.
LIMIT = ("timeout", "--foreground", "--signal=KILL", "900")
SUBMITTING = (*SNAKEMAKE, "--default-resources", *RESOURCES)


class Submission:
    """A Snakemake in `folder` that submits to a cluster; leaving it ends Snakemake and its jobs.

    Args:
        cluster: the cluster.
        folder: Snakemake's working directory.
        arguments: arguments of Snakemake.
        command: Snakemake itself, with what makes it submit.
    """

    def __init__(self, cluster: Cluster, folder: Path, *arguments: str, command: tuple[str, ...] = SUBMITTING) -> None:
        self.cluster = cluster
        self.folder = folder
        self.log = folder / "snakemake.log"
        self.command = [*LIMIT, *command, *arguments]

    def __enter__(self) -> "Submission":
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.cluster.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.cluster.scancel_all(self.folder)

    def send(self, number: signal.Signals) -> None:
        """Send Snakemake a signal, once; a SIGKILL would not reach it, but leaving does that."""
        self.process.send_signal(number)

    def wait_for(self, file: Path, timeout: float = 60) -> None:
        """Wait for a file that one of the jobs makes; AssertionError where Snakemake ends before."""
        until(lambda: file.exists() or self.process.poll() is not None, timeout, f"{file.name} is not there")
        assert file.exists(), self.log.read_text()

    def finish(self, timeout: float) -> tuple[int, str]:
        """Return Snakemake's exit code and what it printed, or raise TimeoutExpired after so many seconds."""
        try:
            return self.process.wait(timeout), self.log.read_text()
        except subprocess.TimeoutExpired as error:
            error.add_note(f"{self.log.read_text()[-4000:]}\n{self.cluster.squeue('--states=all')}")
            raise
