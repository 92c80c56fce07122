"""A headless Chromium for tests, driven through chromedriver by the W3C WebDriver protocol."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
SECONDS = 120


class Browser:
    """One window; `call` sends a WebDriver command to it."""

    def __init__(self, port: int):
        self._url, self._opener = f"http://127.0.0.1:{port}/session", build_opener(ProxyHandler({}))

    def call(self, path, body=None, method="POST"):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        with self._opener.open(request, timeout=SECONDS) as answer:
            return json.load(answer)["value"]

    def start(self, profile: Path):
        chrome = {"args": [*OPTIONS, f"--user-data-dir={profile}"], "perfLoggingPrefs": {"enableNetwork": True}}
        logs = {"performance": "ALL", "browser": "ALL"}
        wanted = {"goog:chromeOptions": chrome, "goog:loggingPrefs": logs, "timeouts": {"script": SECONDS * 1000}}
        self._url += "/" + self.call("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def run(self, script, *arguments):
        return self.call("/execute/sync", {"script": script, "args": list(arguments)})

    def element(self, selector):
        return self.call("/element", {"using": "css selector", "value": selector})

    def click(self, selector):
        self.call(f"/element/{self.element(selector)[ELEMENT]}/click")

    def press(self, selector, keys):
        self.call(f"/element/{self.element(selector)[ELEMENT]}/value", {"text": keys})

    def wheel(self, selector, delta):
        turn = {"type": "scroll", "x": 0, "y": 0, "deltaX": 0, "deltaY": delta, "origin": self.element(selector)}
        self.call("/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [turn]}]})

    def log(self, kind):
        return self.call("/se/log", {"type": kind})

    def screenshot(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("/screenshot", method="GET")))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start chromedriver on a free port and a browser with an empty profile; end both afterwards."""
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            started = next(line for line in driver.stdout if "started successfully on port" in line)
            browser = Browser(int(started.rstrip(".\n").rsplit(" ", 1)[1]))
            browser.start(profile)
            try:
                yield browser
            finally:
                browser.call("", method="DELETE")
        finally:
            driver.terminate()
