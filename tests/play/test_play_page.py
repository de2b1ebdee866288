"""The page: what it shows by its functions, and once, as a person sees it, in Chromium."""

import html
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

pytest.importorskip("gradio")

from recurrence import params
from recurrence.cli import playing
from recurrence.play import page

Cli = Any


def house() -> page.House:
    return page.House(["mine/rnn"], params.strategies(), playing.opened)


def last(frames: Any) -> tuple[str, ...]:
    *_, final = frames
    return final


SIDE = ("mine/rnn", "greedy", *[0.0] * page.SLIDERS)


def test_two_sides_grow_together(trained_project: Path) -> None:
    drawn = ("mine/rnn", "multinomial", *[0.0] * page.SLIDERS)
    text, figures, bars, other, _, _ = last(
        page.side_by_side(house(), "the cat", 12, 1000, 3, False, *SIDE, *drawn)
    )
    assert "12 characters" in figures and "nats per character under unigram" in figures
    assert bars.count("<tr") == 10 and text != other


def test_the_text_is_that_of_the_generate_command(trained_project: Path, recurrence: Cli) -> None:
    text = last(page.side_by_side(house(), "the cat", 12, 1000, 3, False, *SIDE, *SIDE))[0]
    asked = ("--prompt", "the cat", "--length", "12", "--seed", "3", "--strategy", "greedy")
    _, out, _ = recurrence("generate", "mine/rnn", *asked)
    assert html.unescape(re.sub(r"<[^>]+>", "", text)) == out.removesuffix("\n")


def test_what_cannot_be_is_said_on_its_own_side(trained_project: Path) -> None:
    text, reason, _, *_ = last(page.side_by_side(house(), "", 12, 1000, 0, False, *SIDE, *SIDE))
    assert text == "" and "prompt &#x27;&#x27; is empty" in reason


def test_fields_that_were_emptied_have_a_meaning(trained_project: Path) -> None:
    sides = page.side_by_side(house(), "the cat", None, 1000, None, False, *SIDE, *SIDE)
    assert "1 character ·" in last(sides)[1]


def test_sliders_that_a_strategy_does_not_need_are_hidden(trained_project: Path) -> None:
    assert [each["visible"] for each in page.moved(house(), "mine/rnn", "greedy")] == (
        [False] * page.SLIDERS
    )


def test_a_taken_port_is_said_with_another(trained_project: Path, recurrence: Cli) -> None:
    with socket.socket() as taken:
        taken.bind((page.HOST, 0))
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
        free.bind((page.HOST, 0))
        port = free.getsockname()[1]
    place = f"http://{page.HOST}:{port}"
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
