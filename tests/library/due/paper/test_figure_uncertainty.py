"""The picture of the uncertainty: four panels from one table, for the widest gaps, with stable bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from explainct.due.interpolation_study.distance_trend import gap_trend
from explainct.due.interpolation_study.uncertainty_curves import growing_gap_curve, uncertainty_curves
from explainct.due.paper.interpolation_figure import COLORS
from explainct.due.paper.uncertainty_figure import OTHER_COLORS, uncertainty_figure
from explainct.errors import UserError
from explainct.runtime.files import write_csv

METHODS = ("diffusion", "signed_distance", "signed_distance_tuned", "nearest")


def curves(method, every):
    generator = np.random.default_rng(every)
    probability = generator.random(300)
    pixels = pd.DataFrame({"probability": probability, "variance": probability * (1 - probability)})
    pixels["truth"] = generator.random(300) < probability
    slices = pd.DataFrame({"patient_id": np.arange(60) % 9, "error": generator.random(60) ** 8})
    slices["score"] = 0.0 if method == "nearest" else slices["error"] / 2
    slices = slices.assign(size=slices["error"], disagreement=-slices["error"])
    slices["distance_mm"] = np.tile([1.0, 2.0, 3.0], 20)
    return uncertainty_curves(method=method, every=every, pixels=pixels, slices=slices, seed=0)


@pytest.fixture(scope="module")
def table():
    trend = gap_trend(np.array([0.1, 0.2, 0.3, 0.5]), np.array([2.0, 4.0, 6.0, 8.0]), np.array(["s"] * 4))
    rows = [curves(method, every) for method in METHODS for every in (2, 4)]
    return pd.concat([*rows, growing_gap_curve(method="diffusion", trend=trend)], ignore_index=True)


def draw(table, folder, name="a"):
    write_csv(table, folder / "t.csv")
    uncertainty_figure(table_file=folder / "t.csv", png=folder / f"{name}.png", pdf=folder / f"{name}.pdf")


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw a table and return the figure, without the time that rendering takes."""

    def drawn(table):
        figures = []
        monkeypatch.setattr(Figure, "savefig", lambda self, path, **options: (figures.append(self), Path(path).touch()))
        draw(table, tmp_path)
        return figures[0]

    return drawn


def test_the_panels_hold_the_curves_of_the_widest_gaps(table, drawn):
    figure = drawn(table)
    reliability, risk, error, distance = figure.axes
    for axes, curve in ((reliability, "reliability"), (risk, "risk_coverage"), (error, "score_error")):
        for line, method in zip(axes.lines, METHODS, strict=False):
            rows = table[(table["curve"] == curve) & (table["every"] == 4) & (table["method"] == method)]
            np.testing.assert_allclose(line.get_xdata(), rows["x"], rtol=1e-4, atol=1e-9)
            np.testing.assert_allclose(line.get_ydata(), rows["y"], rtol=1e-4, atol=1e-9)
    assert len(distance.lines) == len(METHODS) + 1
    assert distance.lines[-1].get_xdata().tolist() == [1, 2, 3, 4]
    assert distance.lines[-1].get_ydata().tolist() == [0.1, 0.2, 0.3, 0.5]
    assert "one slice in 4" in figure.get_suptitle()


def test_the_legends_name_methods_and_their_correlations(table, drawn):
    figure = drawn(table)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["diffusion", "signed distance", "signed distance, tuned", "nearest"]
    known = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert known == ["1.00   1.00   -1.00"] * 3 + ["none   1.00   -1.00"]
    lines = figure.axes[0].lines
    assert lines[0].get_color() == COLORS["diffusion"]
    assert lines[1].get_color() == lines[2].get_color() == COLORS["signed_distance"]
    assert [line.get_linestyle() for line in lines[:3]] == ["-", "--", "-"]


def test_a_method_without_a_colour_gets_one_that_no_other_has(table, drawn):
    lines = drawn(table.replace({"method": {"nearest": "mine"}})).axes[0].lines
    colors = [line.get_color() for line in lines[:4]]
    assert colors[3] in OTHER_COLORS
    assert len(set(colors)) == 3  # a tuned method has the colour of its plain form


def test_a_mean_above_the_middle_half_can_be_drawn(table):
    rows = table[table["curve"] == "score_error"]
    assert (rows["y"] > rows["high"]).any()


def test_equal_tables_give_equal_bytes(table, tmp_path):
    for name in "ab":
        draw(table, tmp_path, name)
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_a_table_without_growing_gaps_or_with_one_distance_is_drawn(table, drawn):
    figure = drawn(table.query("curve != 'growing_gap' and every == 2"))
    assert len(figure.axes[3].lines) == len(METHODS)
    assert "one slice in 2" in figure.get_suptitle()


def test_a_table_that_cannot_be_drawn_is_refused(table, drawn):
    with pytest.raises(UserError, match=r"\['n'\] were expected"):
        drawn(table.drop(columns="n"))
    with pytest.raises(UserError, match="`reliability` was expected"):
        drawn(table.query("curve == 'growing_gap'"))
