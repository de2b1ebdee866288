"""An OpenAI-compatible address: it continues prompts, and says nothing of what texts cost under its
model.

Of a strategy it takes what that interface has: temperature, top_p, the two penalties, and what vLLM
and llama.cpp add (top_k, min_p, repetition_penalty). Everything else needs the model itself.
"""

import json
import os
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from recurrence.errors import RecurrenceError, in_brief
from recurrence.outside.continuations import Continuation, Tell
from recurrence.params import Strategy

TAKEN = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
)
"""Filters that are plain numbers under the same name there."""
WAIT_S = 300
MOST_BYTES = 1 << 26
KEY = "OPENAI_API_KEY"
"""Of the environment; sent where it is set."""


class _NoRedirect(HTTPRedirectHandler):
    """The key goes to the address that was named, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Endpoint:
    """`address` up to and with /v1; `model` as the server calls it, default the first that it
    lists.
    """

    def __init__(self, address: str, model: str | None = None) -> None:
        if "@" in address.split("/", 3)[2]:
            raise RecurrenceError(f"an address must hold no password; set {KEY} instead")
        self.address = address.rstrip("/")
        self.model = model or self._first()
        self.name = self.model.rsplit("/", 1)[-1]

    @property
    def about(self) -> str:
        return f"{self.model} at {self.address}"

    def takes(self, name: str, block: Strategy) -> str:
        if block.search is not None:
            return "a search needs the model itself"
        if block.window is not None:
            return "tokens that are fed again need the model itself"
        for entry in block.filters:
            for key, value in entry.items():
                if key not in TAKEN or not isinstance(value, int | float):
                    return f"{key} is not what an OpenAI-compatible address takes"
        return ""

    def uses_history(self, block: Strategy) -> bool:
        return any(key.endswith("_penalty") for entry in block.filters for key in entry)

    def read(self, text: str) -> None:
        """Addresses give no probabilities of texts that they did not write."""

    def continued(
        self, name: str, block: Strategy, prompts: Sequence[str], length: int, seed: int, tell: Tell
    ) -> list[Continuation]:
        asked: dict[str, Any] = {"model": self.model, "max_tokens": length, "temperature": 1.0}
        for entry in block.filters:
            asked |= entry
        if block.pick == "argmax":
            asked["temperature"] = 0.0
        found = []
        for i, prompt in enumerate(prompts):
            answer = self._asked("/completions", asked | {"prompt": prompt, "seed": seed + i})
            try:
                found.append(Continuation(str(answer["choices"][0]["text"])))
            except (KeyError, IndexError, TypeError) as error:
                raise RecurrenceError(
                    f"{self.address}/completions: must answer {{choices: [{{text: ...}}]}}, got "
                    f"{json.dumps(answer)[:100]}"
                ) from error
            tell(length)
        return found

    def _first(self) -> str:
        answer = self._asked("/models", None)
        try:
            return str(answer["data"][0]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise RecurrenceError(
                f"{self.address}/models: lists no model; name it: --model NAME"
            ) from error

    def _asked(self, path: str, body: dict[str, Any] | None) -> Any:
        """The answer as JSON; a POST where there is a body."""
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        where = f"{self.address}{path}"
        try:
            with build_opener(_NoRedirect).open(
                Request(where, data, headers), timeout=WAIT_S
            ) as answer:
                return json.loads(answer.read(MOST_BYTES))
        except HTTPError as error:
            said = error.read(500).decode("utf-8", "replace")
            raise RecurrenceError(
                f"{where}: answers {error.code}: {' '.join(said.split())}"
            ) from error
        except (URLError, HTTPException, OSError, ValueError, RecursionError) as error:
            raise RecurrenceError(
                f"{where}: no OpenAI-compatible server answers there ({in_brief(error)})"
            ) from error


def is_address(model: str) -> bool:
    """Whether a name is an address and no folder."""
    return model.startswith(("http://", "https://"))
