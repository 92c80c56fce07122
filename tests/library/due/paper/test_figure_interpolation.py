"""The picture of the study: every method at every distance, tuned ones filled, equal tables equal bytes."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from explainct.due.paper.interpolation_figure import COLORS, interpolation_figure

METHODS = ("nearest", "linear", "signed_distance", "signed_distance_tuned", "cubic_spline")


@pytest.fixture
def table(tmp_path):
    rows = [
        {"method": method, "every": d, "dice": 0.9 - d / 50, "dice_low": 0.8, "dice_high": 0.93}
        | {"gain": n / 100, "gain_low": n / 100 - 0.01, "gain_high": n / 100 + 0.02}
        for n, method in enumerate(METHODS)
        for d in (2, 3, 4)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_every_method_is_drawn_with_its_interval(table, tmp_path, monkeypatch):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (drawn.append(self), save(self, *args, **kw)))
    interpolation_figure(table_file=table, png=tmp_path / "a.png", pdf=tmp_path / "a.pdf")
    overlap, gain = drawn[0].axes
    assert overlap.get_xticks().tolist() == [2, 3, 4]
    assert overlap.get_legend_handles_labels()[1] == [
        "nearest",
        "linear",
        "signed distance",
        "signed distance, tuned",
        "cubic spline",
    ]
    for number, container in enumerate(gain.containers):
        line, _, (bars,) = container
        assert line.get_ydata().tolist() == [number / 100] * 3
        low, high = bars.get_segments()[0][:, 1]
        assert (low, high) == pytest.approx((number / 100 - 0.01, number / 100 + 0.02))
        plain = METHODS[number].removesuffix("_tuned")
        assert line.get_markerfacecolor() == ("white" if METHODS[number] == plain else COLORS[plain])
    interpolation_figure(table_file=table, png=tmp_path / "b.png", pdf=tmp_path / "b.pdf")
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
