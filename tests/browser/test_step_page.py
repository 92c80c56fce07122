"""The page of maps step by step in a real web browser: sliders, choices, two and three dimensions, and no network."""

import itertools
import json
import shutil
import time

import numpy as np
import pytest
from webdriver import chromium

from explainct.report.step_browser import Evolution, ShownSample, write_step_browser

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="chromium and chromedriver are not installed (Debian: chromium, chromium-driver)",
)

RIGHT, LEFT = "\ue014", "\ue012"
STEPS = np.array([0, 1, 3, 7])


def shown(name, shape):
    rng = np.random.default_rng(len(name))
    maps = np.stack([step / 20 * rng.uniform(-1, 1, shape) for step in STEPS])
    scales = {"normalised": 1.0, "Adam": 0.5}
    forms = {form: Evolution(STEPS, scale * STEPS, scale * maps) for form, scale in scales.items()}
    return ShownSample(name, "class 1", 6.5, rng.random(shape), forms)


SAMPLES = [shown("volume", (5, 8, 12)), shown("slice", (1, 10, 6))]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture
def page(browser, tmp_path):
    write_step_browser(SAMPLES, tmp_path / "steps.html", "semi-synthetic cohort (demo)")
    browser.log("browser"), browser.log("performance")
    browser.call("/url", {"url": (tmp_path / "steps.html").as_uri()})
    wait_until_drawn(browser)
    return browser


def wait_until_drawn(browser):
    deadline = time.monotonic() + 60
    while browser.run("return document.querySelector('main').getAttribute('aria-busy')") != "false":
        assert time.monotonic() < deadline, "the page has not drawn its sample"
        time.sleep(0.1)


def choose(browser, select, number):
    browser.run(
        f"const list = document.getElementById('{select}');"
        f"list.selectedIndex = {number}; list.dispatchEvent(new Event('change'))"
    )
    wait_until_drawn(browser)


def words(browser, name):
    return browser.run(f"return document.getElementById('{name}').textContent")


def drawn(browser, name):
    width, height, data = browser.run(
        f"const c = document.getElementById('{name}');"
        "return [c.width, c.height, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]"
    )
    return np.reshape(data, (height, width, 4))[..., :3].astype(int)


def test_the_step_slider_shows_each_map_with_its_score(page):
    assert words(page, "step-said") == "step 0: score 0.00, target 6.50, largest |h| 0.000"
    assert (drawn(page, "map") == 255).all()
    seen = [drawn(page, "map")]
    for step in STEPS[1:]:
        page.press("#step", RIGHT)
        assert words(page, "step-said").startswith(f"step {step}: score {step:.2f}, target 6.50")
        seen.append(drawn(page, "map"))
    assert all((one != other).any() for one, other in itertools.pairwise(seen))
    page.press("#step", RIGHT)
    assert words(page, "step-said").startswith("step 7")


def test_colours_are_red_above_and_blue_below_zero(page):
    page.press("#step", RIGHT * 3)
    colours = drawn(page, "map")
    values = SAMPLES[0].evolutions["normalised"].maps[3][2]
    clear = np.abs(values) > 0.1 * np.abs(values).max()
    assert ((colours[..., 0] > colours[..., 2]) == (values > 0))[clear].all()
    image = np.rint(255 * SAMPLES[0].image[2])
    assert np.array_equal(drawn(page, "image")[..., 0], image)
    total = np.clip(255 * (SAMPLES[0].image[2] + values), 0, 255)
    assert np.abs(drawn(page, "sum")[..., 0] - total).max() < 3


def test_slices_of_a_volume_move_all_pictures_and_a_slice_has_no_slider(page):
    assert words(page, "slice-said") == "3 of 5"
    before = drawn(page, "image")
    page.press("#slice", LEFT)
    assert words(page, "slice-said") == "2 of 5"
    assert (drawn(page, "image") != before).any()
    choose(page, "sample", 1)
    assert not page.run("return document.getElementById('slices').checkVisibility()")
    assert drawn(page, "image").shape == (10, 6, 3)
    page.press("#step", RIGHT * 2)
    assert words(page, "step-said").startswith("step 3: score 3.00")


def test_another_form_has_its_own_scores(page):
    choose(page, "form", 1)
    page.press("#step", RIGHT * 3)
    assert words(page, "step-said").startswith("step 7: score 3.50")


def test_controls_have_names_and_the_page_asks_no_network(page):
    unnamed, overflow = page.run(
        "const named = (e) => e.labels?.length || e.getAttribute('aria-label');"
        "return [[...document.querySelectorAll('input, select, canvas')].filter((e) => !named(e)).length,"
        " document.documentElement.scrollWidth - innerWidth]"
    )
    assert unnamed == 0
    assert overflow <= 0
    assert page.log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in page.log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
