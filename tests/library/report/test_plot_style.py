"""Pictures have the same bytes whatever the user's matplotlib is set to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[3] / "workflow"
DRAW = """
from pathlib import Path
from explainct.runtime.environment import settle_environment
settle_environment()  # as Snakemake's process does for its jobs
import matplotlib, pandas as pd
from matplotlib.figure import Figure
from explainct.learning.train.progress_plot import draw_progress
from explainct.report.plot_style import RC, save_figure

with matplotlib.rc_context(RC):
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="$x_1$")
    axes.imshow([[0, 1], [1, 0]])
    axes.set(xlabel="probability", title="Reliability")
    axes.legend()
    save_figure(figure, Path("picture.png"), Path("picture.pdf"))
history = {"epoch": [1, 2], "prediction_loss": [2, 1], "explanation_loss": [2, 1]}
draw_progress(pd.DataFrame(history | {"validation_average_precision": [0.1, 0.2]}), Path("progress.png"))
"""
NAMES = ("picture.png", "picture.pdf", "progress.png")
HOSTILE = """
backend: module://a_notebook.backend
text.usetex: True
font.size: 20
figure.dpi: 300
figure.facecolor: black
axes.facecolor: black
axes.prop_cycle: cycler('color', ['red'])
axes.grid: True
lines.linewidth: 9
image.cmap: jet
image.interpolation: bicubic
legend.frameon: True
savefig.transparent: True
savefig.bbox: tight
savefig.facecolor: black
axes.formatter.use_locale: True
path.sketch: 5, 100, 2
"""


def drawn(folder: Path, environment: dict[str, str]) -> dict[str, bytes]:
    """Draw in a process of its own that starts in `folder`."""
    folder.mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "MATPLOTLIB"))}
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(LIBRARY)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The pictures as they should be."""
    return drawn(tmp_path_factory.mktemp("plain"), {})


def test_a_matplotlibrc_in_the_folder_changes_no_byte(plain, tmp_path):
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    assert drawn(tmp_path, {}) == plain


def test_the_variables_of_a_notebook_change_no_byte(plain, tmp_path):
    (tmp_path / "style").write_text(HOSTILE)
    variables = {"MATPLOTLIBRC": str(tmp_path / "style"), "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    assert drawn(tmp_path / "work", variables) == plain
