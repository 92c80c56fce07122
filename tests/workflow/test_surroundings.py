"""The user's surroundings, from the folder's name to the shell's variables, neither break a job nor change a byte."""

import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT, Project

NAME = "it's (a) & b; $HOME `id` c"
STYLE = "text.usetex: True\naxes.facecolor: black\nsavefig.transparent: True\nfont.size: 20\n"
VARIABLES = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "LC_ALL": "de_DE.ISO-8859-1",
    "TZ": "Pacific/Kiritimati",
    "PYTHONHASHSEED": "7",
    "PYTHONOPTIMIZE": "2",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
    "SOURCE_DATE_EPOCH": "1700000000",
    "OMP_NUM_THREADS": "3",
    "MKL_NUM_THREADS": "3",
    "OPENBLAS_NUM_THREADS": "3",
}
SAME = (
    "ingest/series.parquet",
    "annotate/lesions.parquet",
    "annotate/flow.csv",
    "annotate/flow.png",
    "annotate/flow.pdf",
)


@pytest.fixture
def hostile(tmp_path) -> Project:
    """A project in a folder with every character that a shell reads, and a user who has set all that can be set."""
    project = Project(tmp_path / NAME / "project")
    (project.folder / ".venv").symlink_to(sys.prefix)
    project.python = str(project.folder / ".venv/bin/python")
    (project.folder / "matplotlibrc").write_text(STYLE)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "h5py.py").write_text("raise ImportError('a package of another project')")
    project.environment = VARIABLES | {"PYTHONPATH": str(elsewhere)}
    return project


def test_a_run_in_hostile_surroundings_gives_the_same_bytes(hostile, finished):
    status, output = hostile.run("--cores", "1", "cohort_flow")
    assert status == 0, output[-6000:]
    for name in SAME:
        made, expected = (folder / "results/demo" / name for folder in (hostile.folder, finished.folder))
        assert made.read_bytes() == expected.read_bytes(), name


def test_make_starts_programs_in_such_a_folder(tmp_path):
    folder = tmp_path / NAME
    installed = folder / ".venv/installed"
    installed.parent.mkdir(parents=True)
    for path in Path(sys.prefix).iterdir():
        (installed.parent / path.name).symlink_to(path)
    installed.unlink(missing_ok=True)
    installed.touch()
    for name in ("Makefile", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    command = ["make", "demo", "CORES=2 --help"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ".venv/bin/python -m snakemake --cores 2 --help" in done.stdout
    assert "--dry-run" in done.stdout
