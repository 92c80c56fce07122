"""Projects to run: a fresh one, and one that has run."""

import fcntl
import os
import shutil

import pytest
from harness import Project


@pytest.fixture
def project(tmp_path):
    """A fresh copy of the project that has not run."""
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the project after one whole run, shared by all test processes; tests put back what they change."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait: two runs at a time would take more than twice as long
        project = Project(root / "finished")
        if not (project.folder / "results/demo/due/tables/table1.csv").exists():
            status, output = project.run("--cores", "2")
            assert status == 0, output[-6000:]
            shutil.copytree(project.folder, root / "pristine")
    return project


@pytest.fixture(scope="session")
def pristine(finished):
    """The folder of a copy of the finished project as it was right after its run; nobody changes it."""
    return finished.folder.with_name("pristine")
