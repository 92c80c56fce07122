"""SLURM from Debian packages that are unpacked, not installed: that needs no root and leaves the machine as it was."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = (
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    "libmunge2",
    "libhwloc15",
    "liblua5.1-0",
)
DAEMONS = ("slurmctld", "slurmd", "slurmstepd")


class NoClusterError(Exception):
    """Why a cluster cannot be had on this machine, in one sentence."""


def unpack(cache: Path, folder: Path) -> None:
    """Unpack SLURM into `folder`, from the packages in `cache`, which are downloaded where they are missing."""
    if not shutil.which("dpkg"):
        raise NoClusterError("SLURM comes from Debian packages, and dpkg is not on this machine.")
    if missing(cache):
        download(cache)
    folder.mkdir(parents=True)
    for package in PACKAGES:
        subprocess.run(["dpkg", "-x", newest(cache, package), folder], check=True)
    for name in DAEMONS:
        # Debian's file is slurmd-wlm, and a slurmd of that name takes itself for something else: GPUs vanish.
        if (folder / f"usr/sbin/{name}-wlm").exists():
            (folder / f"usr/sbin/{name}").symlink_to(f"{name}-wlm")
    try_out(folder)


def missing(cache: Path) -> bool:
    """Whether a package is not in `cache`."""
    return any(newest(cache, package) is None for package in PACKAGES)


def newest(cache: Path, package: str) -> Path | None:
    """Return a package's file in `cache`, the one that came last."""
    return max(cache.glob(f"{package}_*.deb"), key=lambda file: file.stat().st_mtime, default=None)


def download(cache: Path) -> None:
    """Fetch all packages into `cache` with apt-get, which asks for no root here."""
    if not shutil.which("apt-get"):
        raise NoClusterError(f"SLURM's packages are not in {cache}, and apt-get is not on this machine.")
    cache.mkdir(parents=True, exist_ok=True)
    # Beside the cache's files until all are whole: another session of tests may be looking.
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        command = ["apt-get", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20", "download", *PACKAGES]
        try:
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            raise NoClusterError("apt-get did not download SLURM's packages within 3 minutes.") from None
        if run.returncode:
            reason = next((line for line in run.stderr.splitlines() if line.startswith("E:")), "E: no reason")
            raise NoClusterError(f"apt-get cannot download SLURM's packages: {reason[2:].strip(' .')}.")
        for file in Path(folder).glob("*.deb"):
            file.replace(cache / file.name)


def try_out(folder: Path) -> None:
    """Raise unless the unpacked daemons start, which they do not where the system's own libraries are others."""
    for name in DAEMONS[:2]:
        command = [folder / f"usr/sbin/{name}", "-V"]
        run = subprocess.run(command, env=os.environ | libraries(folder), capture_output=True, text=True)
        if run.returncode:
            raise NoClusterError(f"The unpacked {name} does not run here: {run.stderr.strip(' .') or run.returncode}.")


def plugins(folder: Path) -> Path:
    """Return the folder of SLURM's plugins, whose parent is named after the machine's architecture."""
    return next(folder.glob("usr/lib/*/slurm-wlm"))


def libraries(folder: Path) -> dict[str, str]:
    """Return the environment in which the unpacked programs find their libraries."""
    return {"LD_LIBRARY_PATH": f"{plugins(folder)}:{plugins(folder).parent}"}
