"""The page as a person sees it, in Chromium, and a port that is taken."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

pytest.importorskip("gradio")

from recurrence.ports import HOST
from small_project import Cli


def test_a_taken_port_is_said_with_another(trained_project: Path, recurrence: Cli) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = recurrence("play", "--port", str(port))
    assert code == 2 and f"port {port} on 127.0.0.1" in err and f"--port {port + 1}" in err


@pytest.mark.nightly
def test_a_reader_sees_text_loop_and_bars_and_no_other_host_is_asked(trained_project: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    place = f"http://{HOST}:{port}"
    words = ["play", "mine/rnn", "--port", str(port), "--prompt", "the cat"]
    server = subprocess.Popen([sys.executable, "-m", "recurrence.cli", *words])
    try:
        wait_for(place, server)
        with sync_api.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1400, "height": 900})
            asked: list[str] = []
            tab.on("request", lambda request: asked.append(request.url))
            tab.goto(place)
            tab.get_by_role("button", name="Write").click()
            tab.wait_for_selector("#text-a mark", timeout=60_000)
            assert tab.locator("table.bars").count() == 2
            assert tab.locator("table.bars").first.locator("tr").count() == 10
            wide = tab.evaluate("document.documentElement.scrollWidth")
            browser.close()
        assert all(address.startswith((place, "data:", "blob:")) for address in asked)
        assert wide == 1400
    finally:
        server.kill()
        server.wait()


def wait_for(place: str, server: "subprocess.Popen[bytes]") -> None:
    """Until the page is served, or its process has ended."""
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(place):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the page was not served; the process: {server.poll()}")
