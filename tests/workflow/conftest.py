"""Projects to run: a fresh one, and one that has run."""

import pytest
from harness import Project


@pytest.fixture
def project(tmp_path):
    """A fresh copy of the project that has not run."""
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the project after one whole run; tests put back what they change."""
    project = Project(tmp_path_factory.mktemp("finished") / "project")
    status, output = project.run("--cores", "2")
    assert status == 0, output[-6000:]
    return project
