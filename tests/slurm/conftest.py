"""A cluster for all tests of a session, skipped with the reason where there can be none."""

import importlib.util
import os
from pathlib import Path

import pytest
from slurm_cluster import Cluster
from slurm_packages import NoClusterError

CACHE = Path(os.environ.get("EXPLAINCT_SLURM_PACKAGES") or Path(__file__).parents[2] / ".cache/slurm")


@pytest.fixture(scope="session")
def packages():
    """The folder where SLURM's packages are, or will be once they are downloaded."""
    return CACHE


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, packages):
    """A SLURM of two nodes, which is gone when the tests are over."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed.")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"), packages)
    try:
        cluster.start()
    except NoClusterError as reason:
        pytest.skip(str(reason))
    yield cluster
    cluster.stop()
