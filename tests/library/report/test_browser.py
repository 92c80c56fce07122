"""The slice browser's file: volumes can be read back, text stays text, equal lesions give equal bytes."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter, zoom

from explainct.errors import UserError
from explainct.report.slice_browser import GROUPS, TEMPLATE, BrowserLesion, Layer, grey_levels, sprite, write_browser

SHAPE = (5, 6, 7)
HOSTILE = "</script><script>alert('1')</script><!--<img src=x onerror=alert(2)>&amp;@LESIONS@\u2028"


def made_up_lesion(lesion_id="LIDC-IDRI-0001-s1-n0", shape=SHAPE, **changes):
    rng = np.random.default_rng(7)
    mask = rng.random(shape) > 0.5
    layers = [
        Layer("readers", "reader 1", mask),
        Layer("truth", "consensus", mask.astype(np.uint8)),
        Layer("variance", "variance", (0.25 * rng.random(shape)).astype(np.float16)),
        Layer("explanation", "DUE", rng.random(shape).astype(np.float32)),
    ]
    lesion = BrowserLesion(
        lesion_id=lesion_id,
        image=rng.random(shape).astype(np.float32),
        spacing=(0.7, 0.8),
        z_mm=-50 + 2.5 * np.arange(shape[0]),
        annotated=np.arange(shape[0]) % 2 == 1,
        layers=layers,
        predictions={"DUE": "lesion, 0.93"},
    )
    return replace(lesion, **changes)


class Scripts(HTMLParser):
    """Collects the script elements of a page, as a browser would see them."""

    def __init__(self, page):
        super().__init__()
        self.found, self.tags = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.found.append((dict(attrs), ""))

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and self.found:
            attributes, text = self.found[-1]
            self.found[-1] = (attributes, text + data)


def written(tmp_path, *lesions, caption="semi-synthetic cohort (demo)"):
    write_browser(lesions, tmp_path / "browser.html", caption)
    return (tmp_path / "browser.html").read_text(encoding="utf-8")


def data_of(page):
    (text,) = (text for attributes, text in Scripts(page).found if attributes.get("id") == "data")
    return json.loads(text)


def read_back(uri, shape, tmp_path):
    """Decode with SimpleITK, whose PNG reader is not the writer's library."""
    kind, content = uri.split(",")
    assert kind == "data:image/png;base64"
    (tmp_path / "sprite.png").write_bytes(base64.b64decode(content))
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "sprite.png")))
    assert picture.dtype == np.uint8
    return picture.reshape(shape)


def test_volumes_come_back_within_a_grey_level(tmp_path):
    lesion = made_up_lesion(z_mm=-50 + np.array([0, 2.4, 5, 7.5, 10]))
    (content,) = data_of(written(tmp_path, lesion))["lesions"]
    assert content["id"] == lesion.lesion_id
    assert content["shape"] == list(SHAPE)
    assert content["spacing"] == [0.7, 0.8]
    assert content["distances"] == [0, 2.4, 5, 7.5, 10]
    assert content["annotated"] == [1, 3]
    assert content["predictions"] == [["DUE", "lesion, 0.93"]]
    assert np.abs(read_back(content["image"], SHAPE, tmp_path) / 255 - lesion.image).max() <= 0.5 / 255 + 1e-6
    for layer, stored in zip(lesion.layers[1:], content["layers"][1:], strict=True):
        assert (stored["group"], stored["name"]) == (layer.group, layer.name)
        top = GROUPS[layer.group].top
        values = top / 255 * read_back(stored["sprite"], SHAPE, tmp_path)
        assert np.abs(values - layer.volume).max() <= top * 0.5 / 255 + 1e-6


def test_readers_masks_show_on_annotated_slices_only(tmp_path):
    lesion = made_up_lesion()
    stored = data_of(written(tmp_path, lesion))["lesions"][0]["layers"][0]
    levels = read_back(stored["sprite"], SHAPE, tmp_path)
    assert np.array_equal(levels[1::2], 255 * lesion.layers[0].volume[1::2])
    assert not levels[::2].any()
    assert lesion.layers[0].volume[::2].any()


@given(arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 3)))
def test_slices_lie_below_one_another(tmp_path_factory, levels):
    path = tmp_path_factory.getbasetemp() / "order.png"
    path.write_bytes(sprite(levels))
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    height = levels.shape[1]
    for k, plane in enumerate(levels):
        assert np.array_equal(picture[k * height : (k + 1) * height], plane)


@pytest.mark.parametrize("top", [1.0, 0.25])
def test_grey_levels_round_and_allow_for_rounding(top):
    values = top * np.array([[[0, 0.4 / 255, 0.6 / 255, 1, 1 + 1e-6, -1e-6]]], np.float32)
    assert grey_levels(values, top=top, what="it").tolist() == [[[0, 0, 1, 255, 255, 0]]]


def test_colours_are_matplotlibs_and_lines_those_of_okabe_and_ito(tmp_path):
    groups = {group["key"]: group for group in data_of(written(tmp_path, made_up_lesion()))["groups"]}
    assert list(groups) == list(GROUPS)
    table = np.frombuffer(base64.b64decode(groups["variance"]["colours"]), np.uint8).reshape(256, 3)
    assert table == pytest.approx(255 * np.array(matplotlib.colormaps["magma"].colors), abs=1)
    assert groups["variance"]["top"] == 0.25
    okabe_ito = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    lines = groups["readers"]["lines"] + groups["truth"]["lines"]
    assert set(lines) <= okabe_ito
    assert len(lines) == len(set(lines))
    assert all(bool(group["lines"]) != bool(group["colours"]) for group in groups.values())


def test_hostile_text_stays_text(tmp_path):
    lesion = made_up_lesion(lesion_id=HOSTILE, predictions={HOSTILE: HOSTILE})
    lesion = replace(lesion, layers=[replace(lesion.layers[0], name=HOSTILE)])
    page = written(tmp_path, lesion, caption=HOSTILE)
    assert Scripts(page).tags == Scripts(TEMPLATE.read_text(encoding="utf-8")).tags
    data = data_of(page)
    (stored,) = data["lesions"]
    assert data["caption"] == stored["id"] == stored["layers"][0]["name"] == HOSTILE
    assert stored["predictions"] == [[HOSTILE, HOSTILE]]
    assert "alert(2)>" not in page


def test_the_page_names_nothing_outside_of_itself(tmp_path):
    page = written(tmp_path, made_up_lesion())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert set(policy.split("; ")) >= {
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
    }
    assert not re.search(r"https?:|@import|url\(|innerHTML|fetch\(|XMLHttpRequest|import\(", page)
    assert set(re.findall(r'(?:href|src)="([^"]*)"', page)) == {"data:,"}


def test_same_lesions_same_bytes(tmp_path):
    first = written(tmp_path, made_up_lesion("a"), made_up_lesion("b"))
    assert first == written(tmp_path, made_up_lesion("a"), made_up_lesion("b"))
    fortran = made_up_lesion("b", image=np.asfortranarray(made_up_lesion().image))
    assert first == written(tmp_path, made_up_lesion("a"), fortran)
    assert first != written(tmp_path, made_up_lesion("b"), made_up_lesion("a"))


def test_a_case_with_twelve_layers_stays_below_a_megabyte(tmp_path):
    """Native voxels of noisy CT, resampled to the grid as blocks are, and maps of 8 x 16 x 16 cells."""
    grid, rng = (32, 64, 64), np.random.default_rng(3)
    image = zoom(rng.normal(0.4, 0.15, (12, 36, 36)), np.divide(grid, (12, 36, 36)), order=1).clip(0, 1)
    ball = np.linalg.norm(np.indices(grid) / np.reshape(grid, (3, 1, 1, 1)) - 0.5, axis=0) < 0.35
    soft = gaussian_filter(ball.astype(float), 3).clip(0, 1)
    maps = [zoom(rng.random((8, 16, 16)), 4, order=1).clip(0, 1) for _ in range(4)]
    layers = [
        *(Layer("readers", f"reader {n}", np.roll(ball, n, axis=1)) for n in range(4)),
        Layer("truth", "consensus", ball),
        Layer("interpolated", "interpolated", soft),
        Layer("variance", "variance", soft * (1 - soft)),
        Layer("weight", "weight", 1 - 4 * soft * (1 - soft)),
        *(Layer("explanation", f"method {n}", values) for n, values in enumerate(maps)),
    ]
    assert len(layers) == 12
    lesion = made_up_lesion(shape=image.shape, image=image, layers=layers, annotated=np.arange(32) % 4 == 0)
    write_browser([lesion], tmp_path / "browser.html", "noise")
    assert 100_000 < (tmp_path / "browser.html").stat().st_size < 1_000_000


def with_layer(lesion, volume, name="map"):
    return replace(lesion, layers=[*lesion.layers, Layer("explanation", name, volume)])


WRONG = {
    "shape": (with_layer(made_up_lesion(), np.zeros((5, 6, 6))), r"`map` .* \(5, 6, 6\).*\(5, 6, 7\).*same grid"),
    "above": (with_layer(made_up_lesion(), np.full(SHAPE, 1.1)), r"`map` .*1\.1; .*0 to 1\. Scale"),
    "nan": (with_layer(made_up_lesion(), np.full(SHAPE, np.nan)), "nan"),
    "variance": (made_up_lesion(layers=[Layer("variance", "v", np.full(SHAPE, 0.3))]), r"0\.3; .*0 to 0\.25"),
    "twice": (with_layer(made_up_lesion(), np.zeros(SHAPE), "DUE"), "`explanation DUE` occurs more than once"),
    "image in HU": (made_up_lesion(image=np.full(SHAPE, -800)), r"image of LIDC-IDRI-0001-s1-n0 .* -800 "),
    "flat image": (made_up_lesion(image=np.zeros((6, 7))), r"\(6, 7\); expected are slices, rows and columns"),
    "tall image": (made_up_lesion(image=np.zeros((200, 100, 1))), "16384"),
    "spacing": (made_up_lesion(spacing=(0.0, 1.0)), "above 0 mm"),
    "three sizes": (made_up_lesion(spacing=(1.0, 1.0, 1.0)), "two sizes"),
    "positions": (made_up_lesion(z_mm=np.arange(4.0)), "expected are 5 ascending numbers"),
    "falling positions": (made_up_lesion(z_mm=-np.arange(5.0)), "expected are 5 ascending numbers"),
    "indices": (made_up_lesion(annotated=np.array([1, 3])), r"int64 \(2,\); expected is bool \(5,\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said_in_words(tmp_path, name):
    lesion, message = WRONG[name]
    with pytest.raises(UserError, match=message):
        write_browser([lesion], tmp_path / "browser.html", "cohort")
    assert list(tmp_path.iterdir()) == []


def test_no_lesion_and_a_lesion_twice_are_refused(tmp_path):
    out = Path(tmp_path) / "browser.html"
    with pytest.raises(UserError, match=r"no lesion to show in .*browser\.html"):
        write_browser([], out, "cohort")
    with pytest.raises(UserError, match="`a` occurs more than once"):
        write_browser([made_up_lesion("a"), made_up_lesion("b"), made_up_lesion("a")], out, "cohort")
