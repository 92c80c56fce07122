"""The picture of a cohort's flow: all units and the largest losses are on it, and equal tables give equal bytes."""

import matplotlib
import pandas as pd
import pytest
from matplotlib.figure import Figure

from explainct.report.cohort_flow import figure_flow

ROWS = [
    ("series", "found", "", 50),
    ("series", "lost", "Slice gap of 5 mm between files a.dcm and b.dcm.", 1),
    ("series", "kept", "", 49),
    ("lesions", "found", "", 60),
    *[("lesions", "lost", f"Reason {number}.", 9 - number) for number in range(6)],
    ("lesions", "kept", "", 21),
    ("blocks", "found", "", 0),
    ("blocks", "kept", "", 0),
]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw and return the words and the widths of the bars."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (figures.append(self), save(self, *args, **kw)))
    pd.DataFrame(ROWS, columns=["unit", "event", "reason", "count"]).to_csv(tmp_path / "flow.csv", index=False)
    paths = {"png": tmp_path / "flow.png", "pdf": tmp_path / "flow.pdf"}
    figure_flow(flow_file=tmp_path / "flow.csv", cohort="semi-synthetic cohort", **paths)
    (axes,) = figures[0].axes
    words = "\n".join(text.get_text() for text in axes.texts)
    widths = [bar.get_width() for bar in axes.patches]
    return words, widths, {name: path.read_bytes() for name, path in paths.items()}


def test_units_losses_and_the_cohort_are_named(drawn):
    words, widths, _ = drawn
    assert "semi-synthetic cohort" in words
    for line in ("series: 49 of 50", "- 1: Slice gap of 5 mm between files", "lesions: 21 of 60", "blocks: 0 of 0"):
        assert line in words
    assert "Reason 3." in words
    assert "Reason 4." not in words
    assert "- 9: 2 other reasons" in words
    assert widths == pytest.approx([0.98, 0.02, 0.35, 0.65, 0, 1])


def test_same_table_same_bytes(drawn, tmp_path):
    with matplotlib.rc_context({"font.size": 20}):
        paths = {"png": tmp_path / "again.png", "pdf": tmp_path / "again.pdf"}
        figure_flow(flow_file=tmp_path / "flow.csv", cohort="semi-synthetic cohort", **paths)
    for name, path in paths.items():
        assert path.read_bytes() == drawn[2][name]
