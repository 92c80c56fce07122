"""Projects to run: a fresh one, and one that has run."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from harness import Project


@pytest.fixture
def project(tmp_path):
    """A fresh copy of the project that has not run."""
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    """The folder of a project right after one whole run, shared by all test processes; nobody changes it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / "pristine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait: two runs at a time would take more than twice as long
        if not (root / "pristine").exists():
            project = Project(root / "running")
            status, output = project.run("--cores", "2")
            assert status == 0, output[-6000:]
            project.folder.rename(root / "pristine")
    return root / "pristine"


@pytest.fixture(scope="module")
def finished(pristine, tmp_path_factory) -> Project:
    """A copy of that project for the tests of one file, which put back what they change."""
    return Project(shutil.copytree(pristine, tmp_path_factory.mktemp("finished") / "project", symlinks=True))
