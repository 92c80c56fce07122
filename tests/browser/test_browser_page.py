"""The slice browser in a real web browser: what is drawn, what moves it, and that it asks no network."""

import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from webdriver import chromium

from explainct.report.slice_browser import BrowserLesion, Layer, write_browser

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="chromium and chromedriver are not installed (Debian: chromium, chromium-driver)",
)

SHAPE = (9, 24, 32)
SPACING = (2.5, 0.9, 0.7)
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
UP, RIGHT, LEFT = "\ue013", "\ue014", "\ue012"
SCREENSHOTS = Path(__file__).parents[2] / ".cache" / "browser"


def made_up_lesion(lesion_id, seed):
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.random(SHAPE), 0.8)
    k, i, j = np.indices(SHAPE)
    ball = ((k - 4) * 2.5) ** 2 + (i - 12) ** 2 + (j - 16) ** 2 < 64
    soft = gaussian_filter(ball.astype(float), 2)
    layers = [
        Layer("explanation", "DUE", soft**2),
        Layer("explanation", "Baseline", np.roll(soft, 5, axis=2)),
        Layer("readers", "reader 1", ball),
        Layer("readers", "reader 2", np.roll(ball, 2, axis=2)),
        Layer("truth", "consensus", np.roll(ball, 1, axis=2)),
        Layer("interpolated", "diffusion", soft),
        Layer("variance", "variance", soft * (1 - soft)),
        Layer("weight", "weight", 1 - 4 * soft * (1 - soft)),
    ]
    annotated = np.isin(np.arange(SHAPE[0]), (2, 4, 6))
    predictions = {"DUE": "lesion, 0.93", "Baseline": f"normal, 0.41 {HOSTILE}"}
    z_mm = SPACING[0] * np.arange(SHAPE[0])
    return BrowserLesion(lesion_id, image, SPACING[1:], z_mm, annotated, layers, predictions)


CASES = [made_up_lesion("LIDC-IDRI-0001-s1-n0", 1), made_up_lesion(HOSTILE, 2)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture
def page(browser, tmp_path):
    write_browser(CASES, tmp_path / "browser.html", "semi-synthetic cohort (demo)")
    browser.log("browser"), browser.log("performance")
    browser.call("/url", {"url": (tmp_path / "browser.html").as_uri()})
    wait_until_drawn(browser)
    return browser


def wait_until_drawn(browser):
    deadline = time.monotonic() + 60
    while browser.run("return document.querySelector('main').getAttribute('aria-busy')") != "false":
        assert time.monotonic() < deadline, "the page has not drawn its lesion"
        time.sleep(0.1)


def picture(browser):
    return browser.run("return document.querySelector('#panels canvas').toDataURL()")


def place(browser):
    return browser.run("return document.getElementById('place').textContent")


def box(name):
    """Return the selector of the checkbox of a layer that has an opacity slider named so."""
    return f".layer:has(input[aria-label^='opacity of {name},']) input[type=checkbox]"


def test_the_canvas_shows_the_voxels_of_the_slice(page):
    for name in ("reader 1", "reader 2", "consensus"):
        page.click(box(name))
    page.click("#smooth")
    size, pixels = page.run(
        "const c = document.querySelector('#panels canvas');"
        "return [[c.width, c.height], Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]"
    )
    assert size[0] / size[1] == pytest.approx(SHAPE[2] * SPACING[2] / (SHAPE[1] * SPACING[1]), rel=0.01)
    drawn = np.reshape(pixels, (size[1], size[0], 4))
    rows, columns = (
        ((np.arange(n) + 0.5) * side / n).astype(int) for n, side in zip(SHAPE[1:], size[::-1], strict=True)
    )
    centres = drawn[np.ix_(rows, columns)]
    expected = np.rint(255 * CASES[0].image[4])
    assert np.array_equal(centres[..., :3], np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("move", "slice_number"),
    [
        (lambda page: page.press("#slice", RIGHT), 6),
        (lambda page: page.press("#smooth", UP), 6),
        (lambda page: page.press("#smooth", LEFT + LEFT), 3),
        (lambda page: page.wheel("#panels canvas", 120), 6),
        (lambda page: page.wheel("#panels canvas", -120), 4),
    ],
    ids=["slider", "key up", "keys left", "wheel down", "wheel up"],
)
def test_slider_keys_and_wheel_move_the_slice(page, move, slice_number):
    assert place(page) == "5 of 9, 10.0 mm from the first, annotated"
    before = picture(page)
    move(page)
    millimetres = 2.5 * (slice_number - 1)
    ending = ", annotated" if slice_number in (3, 5, 7) else ""
    assert place(page) == f"{slice_number} of 9, {millimetres} mm from the first{ending}"
    assert page.run("return document.getElementById('slice').value") == str(slice_number - 1)
    assert picture(page) != before


def test_the_last_slice_is_the_end(page):
    page.press("#smooth", RIGHT * 12)
    assert place(page).startswith("9 of 9, 20.0 mm")


@pytest.mark.parametrize("name", ["reader 1", "consensus", "diffusion", "variance", "weight", "DUE"])
def test_a_layer_comes_and_goes(page, name):
    before = picture(page)
    page.click(box(name))
    changed = picture(page)
    page.click(box(name))
    assert changed != before
    assert picture(page) == before


def test_opacity_changes_the_picture(page):
    page.click(box("DUE"))
    before = picture(page)
    page.press("input[aria-label^='opacity of DUE,']", LEFT * 4)
    assert picture(page) != before
    page.press("input[aria-label^='opacity of DUE,']", LEFT * 20)
    clear = picture(page)
    page.click(box("DUE"))
    assert picture(page) == clear


def test_readers_have_no_outline_between_annotated_slices(page):
    page.press("#smooth", RIGHT)
    before = picture(page)
    page.click(box("reader 1"))
    assert picture(page) == before


def test_methods_stand_side_by_side_with_their_predictions(page):
    page.click("#compare")
    captions, pictures, width = page.run(
        "const all = (s) => [...document.querySelectorAll(s)];"
        "return [all('figcaption').map((c) => c.textContent), all('#panels canvas').map((c) => c.toDataURL()),"
        " document.documentElement.scrollWidth - innerWidth]"
    )
    assert captions[0] == "DUE: lesion, 0.93"
    assert captions[1].startswith("Baseline: normal, 0.41 </script>")
    assert len(set(pictures)) == 2
    assert width <= 0
    page.screenshot(SCREENSHOTS / "side_by_side.png")


def test_annotated_slices_are_marked_on_the_track(page):
    marks, words, track = page.run(
        "const middle = (r) => (r.left + r.right) / 2;"
        "return [[...document.querySelectorAll('#marks span')].map((m) => middle(m.getBoundingClientRect())),"
        " document.getElementById('annotated').textContent,"
        " (({left, right}) => [left + 8, right - 8])(document.getElementById('slice').getBoundingClientRect())]"
    )
    assert words == "annotated slices: 3, 5, 7"
    assert marks == pytest.approx([track[0] + (track[1] - track[0]) * k / 8 for k in (2, 4, 6)], abs=1)


def test_every_control_has_a_name_and_the_page_fits_1000_pixels(page):
    page.call("/window/rect", {"width": 1000, "height": 900})
    unnamed, overflow, title = page.run(
        "const named = (e) => e.labels?.length || e.getAttribute('aria-label');"
        "return [[...document.querySelectorAll('input, select, canvas')].filter((e) => !named(e)).length,"
        " document.documentElement.scrollWidth - innerWidth, document.title]"
    )
    page.call("/window/rect", {"width": 1400, "height": 1000})
    assert unnamed == 0
    assert overflow <= 0
    assert title == "LIDC-IDRI-0001-s1-n0 - slice browser"


def test_hostile_text_is_shown_and_does_not_run(page):
    before = picture(page)
    page.run(
        "const list = document.getElementById('lesions');"
        "list.selectedIndex = 1; list.dispatchEvent(new Event('change'))"
    )
    wait_until_drawn(page)
    assert page.run("return [document.getElementById('lesion').textContent, window.hacked]") == [HOSTILE, None]
    assert picture(page) != before


def test_no_network_request_and_no_error(page):
    for selector in (box("DUE"), box("variance"), "#compare"):
        page.click(selector)
    page.click("#compare")
    page.screenshot(SCREENSHOTS / "slice_browser.png")
    assert page.log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in page.log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(url.startswith("file:") and url.endswith("browser.html") for url in requests)
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    entries = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [url for url in entries if not url.startswith("data:")] == []


def test_the_policy_forbids_requests(page):
    asked = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        outcome = page.run(
            "const load = (url) => new Promise((done) => {"
            "  const image = new Image(); image.onload = () => done('loaded'); image.onerror = () => done('refused');"
            "  image.src = url; });"
            "return Promise.all([load(arguments[0] + '/image'),"
            "  fetch(arguments[0] + '/fetch').then(() => 'loaded', () => 'refused')])",
            f"http://127.0.0.1:{server.server_port}",
        )
        server.shutdown()
    assert outcome == ["refused", "refused"]
    assert asked == []
    assert "Content Security Policy" in " ".join(entry["message"] for entry in page.log("browser"))
