"""A trained net behind MLflow's interface for models: `predict` continues texts, or scores them.

Loaded by mlflow alone, by the few lines of code that lie beside the weights (models from code:
nothing is pickled). In the artifacts: config.json, vocab.json and seed<k>.safetensors as `train`
wrote them, and served.json (see champion.py).
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.pyfunc import PythonModel

from recurrence.errors import RecurrenceError
from recurrence.files import read_json

TASKS = ("generate", "score")
MOST_TOKENS = 100_000
"""Of a continuation."""


class Served(PythonModel):  # type: ignore[misc]
    """Texts in (column `text`); out a row for each: text, tokens, nats_per_token, bits_per_char.

    Params: `task` generate or score; for generate `strategy` (of params.yaml, as it was),
    `max_tokens` and `seed`. A continuation's figures are its own under the net that made it, given
    the text before it; its draws do not depend on the other rows. Raises ValueError for what
    params.yaml or the vocabulary does not have.
    """

    def load_context(self, context: Any) -> None:
        from recurrence.model.checkpoint import load_model
        from recurrence.vocab import Vocab

        folder = Path(context.artifacts["model"])
        self.told = read_json(folder / "served.json")
        self.vocab = Vocab.load(folder / "vocab.json")
        self.net = load_model(folder, self.told["seed"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        asked = {"task": "generate", "max_tokens": 100, "seed": 0} | (params or {})
        if asked["task"] not in TASKS:
            raise RecurrenceError(f"task must be generate or score, got {asked['task']!r}")
        texts = [str(text) for text in model_input["text"]]
        rows = self._scored(texts) if asked["task"] == "score" else self._continued(texts, asked)
        return pd.DataFrame(rows, columns=["text", "tokens", "nats_per_token", "bits_per_char"])

    def _scored(self, texts: list[str]) -> list[tuple[str, int, float, float]]:
        """Of every token but the first."""
        from recurrence.scoring import exact

        rows = []
        for text in texts:
            ids, counts = self.vocab.encode_part(text)
            score = exact(self.net, ids)
            characters = int(counts["characters"])
            rows.append((text, score.targets, score.nats, score.bits_per_char(characters)))
        return rows

    def _continued(
        self, texts: list[str], asked: dict[str, Any]
    ) -> list[tuple[str, int, float, float]]:
        from math import log

        from recurrence.decoding.loop.sampling import Row, Sampler, sample
        from recurrence.decoding.prompts import encode_prompt
        from recurrence.randomness import generator

        length = int(asked["max_tokens"])
        if not 1 <= length <= MOST_TOKENS:
            raise RecurrenceError(f"max_tokens must be from 1 to {MOST_TOKENS:,}, got {length}")
        strategy = self._strategy(asked.get("strategy") or self.told["strategy"])
        prompts = [encode_prompt(text, self.vocab) for text in texts]
        draws = [generator(asked["seed"], strategy.name, prompt) for prompt in prompts]
        if isinstance(strategy, Sampler):
            rows = [
                Row(*each, draw)
                for each, draw in zip(
                    zip(prompts, [strategy] * len(prompts), strict=True), draws, strict=True
                )
            ]
            made = sample(self.net, rows, length)
        else:
            made = strategy.find(self.net, prompts, length, draws)
        found = []
        for ids, logprob in zip(made.rows(), made.logprob_B.tolist(), strict=True):
            text = self.vocab.decode(ids.tolist())
            bits = -logprob / log(2) / max(len(text), 1)
            found.append((text, len(ids), -logprob / max(len(ids), 1), bits))
        return found

    def _strategy(self, name: str) -> Any:
        """Strategies that need a second model cannot be served: only one is there."""
        from recurrence import params
        from recurrence.decoding.filters.contract import Setting
        from recurrence.decoding.strategies import build_strategy, known

        block = params.Strategy.model_validate(known("strategy", name, self.told["strategies"]))
        return build_strategy(name, block, Setting(self.vocab, self.told["bits"]))
