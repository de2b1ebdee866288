"""An OpenAI-compatible address: what is asked of it, and what is said where it will not do."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from outside.tiny_gpt2 import Server, serving
from recurrence.errors import RecurrenceError
from recurrence.outside.endpoint import Endpoint
from recurrence.outside.strategies import USUAL, chosen
from recurrence.params import Strategy


def test_a_strategy_becomes_what_the_address_takes() -> None:
    block = Strategy.model_validate(
        {"pick": "sample", "filters": [{"temperature": 0.7}, {"top_p": 0.9}]}
    )
    with serving() as address:
        model = Endpoint(address)
        assert model.name == "tiny-7b"
        found = model.continued("x", block, ["one", "two"], 9, 5, lambda tokens: None)
    assert [each.text for each in found] == [" 5 ways out of one", " 6 ways out of two"]
    assert found[0].nats is None
    asked = {"model": "makers/tiny-7b", "max_tokens": 9, "temperature": 0.7, "top_p": 0.9}
    assert Server.heard[0] == asked | {"prompt": "one", "seed": 5}


def test_the_likeliest_token_is_temperature_0() -> None:
    with serving() as address:
        Endpoint(address).continued("greedy", chosen(["greedy"])["greedy"], ["a"], 4, 0, print)
    assert Server.heard[0]["temperature"] == 0


def test_what_needs_the_model_itself_is_named() -> None:
    with serving() as address:
        model = Endpoint(address)
        why = {name: model.takes(name, block) for name, block in chosen([]).items()}
    assert {name for name in USUAL if why[name]} == {"greedy_dry", "beam_4"}
    assert why["greedy_dry"] == "dry is not what an OpenAI-compatible address takes"


def test_an_answer_that_is_none_is_named() -> None:
    block = chosen(["multinomial"])["multinomial"]
    with serving() as address, pytest.raises(RecurrenceError, match="must answer"):
        Endpoint(address).continued("x", block, ["broken"], 4, 0, print)


def test_an_address_where_nothing_answers_is_named() -> None:
    with serving() as address:
        pass
    with pytest.raises(RecurrenceError, match="no OpenAI-compatible server answers there"):
        Endpoint(address)


@pytest.mark.parametrize("address", ["http://[::1", "http://here:port/v1", "http://"])
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(RecurrenceError, match="no OpenAI-compatible server answers there"):
        Endpoint(address)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(RecurrenceError, match="OPENAI_API_KEY") as refused:
        Endpoint("http://me:secret@127.0.0.1:1/v1")
    assert "secret" not in str(refused.value)


class Elsewhere(BaseHTTPRequestHandler):
    """Sends whoever asks to another address, and writes down what the second one is told."""

    told: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        if self.path == "/other":
            self.told.append(self.headers.get("Authorization"))
        self.send_response(302)
        self.send_header("Location", "/other")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_the_key_goes_to_no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(RecurrenceError, match="answers 302"):
            Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
        server.shutdown()
    assert Elsewhere.told == []
