"""The page of maps step by step: what it holds, and what it refuses."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from explainct.errors import UserError
from explainct.report.step_browser import MIDDLE, Evolution, ShownSample, write_step_browser
from explainct.report.study_text import estimates, study_markdown, study_page

SHAPE = (3, 4, 5)


def sample(**changes):
    maps = np.random.default_rng(0).uniform(-0.2, 0.2, (2, *SHAPE))
    values = {
        "sample_id": "L01-p",
        "said": "class 1",
        "target": 3.0,
        "image": np.random.default_rng(1).random(SHAPE),
        "evolutions": {"normalised": Evolution(np.array([0, 4]), np.array([0.0, 3.5]), maps)},
    }
    return ShownSample(**(values | changes))


def content(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text()).group(1))


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_the_page_holds_maps_with_their_sign(tmp_path):
    shown = sample()
    write_step_browser([shown], tmp_path / "page.html", "a < b")
    found = content(tmp_path / "page.html")
    assert found["caption"] == "a < b"
    one = found["samples"][0]
    assert one["shape"] == list(SHAPE)
    evolution = one["evolutions"][0]
    assert (evolution["steps"], evolution["scores"]) == ([0, 4], [0.0, 3.5])
    maps = shown.evolutions["normalised"].maps
    for uri, expected, largest in zip(evolution["maps"], maps, evolution["largest"], strict=True):
        values = (pixels(uri).reshape(SHAPE).astype(float) - MIDDLE) * evolution["limit"] / (MIDDLE - 1)
        np.testing.assert_allclose(values, expected, atol=0.6 * evolution["limit"] / (MIDDLE - 1))
        assert largest == pytest.approx(np.abs(expected).max(), abs=1e-5)


def test_maps_of_zeros_are_shown_as_zeros(tmp_path):
    evolutions = {"a": Evolution(np.array([0]), np.array([0.0]), np.zeros((1, *SHAPE)))}
    write_step_browser([sample(evolutions=evolutions)], tmp_path / "page.html", "x")
    uri = content(tmp_path / "page.html")["samples"][0]["evolutions"][0]["maps"][0]
    assert (pixels(uri) == MIDDLE).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.full(SHAPE, 2.0)}, r"The image of L01-p has values from 2 to 2"),
        (
            {"evolutions": {"a": Evolution(np.array([0]), np.array([0.0]), np.zeros((2, *SHAPE)))}},
            "The maps `a` of L01-p have the shape",
        ),
        (
            {"evolutions": {"a": Evolution(np.array([0]), np.array([0.0]), np.full((1, *SHAPE), np.nan))}},
            "not finite",
        ),
    ],
)
def test_maps_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        write_step_browser([sample(**changes)], tmp_path / "page.html", "x")
    assert not (tmp_path / "page.html").exists()


def test_no_sample_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"no sample to show in .*page.html"):
        write_step_browser([], tmp_path / "page.html", "x")


def test_a_study_reads_the_same_as_markdown_and_as_a_page():
    table = pd.DataFrame({"value": [0.5, np.nan], "low": [0.4, np.nan], "high": [0.6, np.nan]})
    assert estimates(table, "value", sign="+") == ["+0.500 [+0.400, +0.600]", "-"]
    parts = ["## Part", "- one\n- two < three", "Words.", table]
    text, page = study_markdown("Title", parts), study_page("Title", parts)
    assert text.startswith("# Title\n\n## Part\n\n- one\n- two < three\n\nWords.\n\n|")
    for words in ("<h2>Part</h2>", "<li>two &lt; three</li>", "<p>Words.</p>", "<td>0.4</td>"):
        assert words in page
