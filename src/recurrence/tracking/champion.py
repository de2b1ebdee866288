"""The model of a corpus that MLflow can load: the best by exact loss, as the report has it. Knows
no mlflow.

Only the champion's weights go to MLflow, and of them one net, the first, as everywhere where one
net speaks for a model: so that a store or a server can serve it without the project's folder, and
all others cost nothing. They stay with dvc.
"""

import hashlib
import json
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

from recurrence import paths
from recurrence.files import md5
from recurrence.results.corpus import ModelResults, Results

LOADED = ("config.json", "vocab.json")
"""Beside the weights."""


@dataclass(frozen=True)
class Champion:
    """What is registered for a corpus."""

    corpus: str
    model: str
    folder: Path
    told: dict[str, Any]
    """seed: of the net; bits: validation bits per token; strategy: the default; strategies: blocks
    of params.yaml.
    """
    example: str
    """A text to continue."""

    @property
    def name(self) -> str:
        """Of the registered model."""
        return f"{self.corpus}-{self.model}"

    @property
    def files(self) -> list[Path]:
        """What loading it takes, beside `told`."""
        return [self.folder / name for name in (*LOADED, f"seed{self.told['seed']}.safetensors")]

    @property
    def fingerprint(self) -> str:
        """Of all that it answers by, the code that answers apart."""
        facts = [self.told, self.example, {file.name: md5(file) for file in self.files}]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def champion(results: Results) -> Champion | None:
    """That of a corpus; None where no trained model has scores and weights."""
    best = results.best
    if best is None:
        return None
    folder = paths.model(results.corpus, best.name)
    seed = best.scores["seeds"][0]["seed"]
    told = {
        "seed": seed,
        "bits": float(best.scores["exact"]["nats"]) / log(2),
        "strategy": _default(best, results),
        "strategies": {
            name: block.model_dump(mode="json") for name, block in results.blocks.items()
        },
    }
    found = Champion(results.corpus, best.name, folder, told, _example(best, results))
    return found if all(file.is_file() for file in found.files) else None


def _default(best: ModelResults, results: Results) -> str:
    """The recommended strategy; else pure sampling, or whatever there is."""
    if best.choice and best.choice.qualifies:
        return best.choice.strategy
    if results.reference in results.blocks:
        return str(results.reference)
    return next(iter(results.blocks), "")


def _example(best: ModelResults, results: Results) -> str:
    """The first prompt that was continued; else a token of the vocabulary."""
    if "prompt" in best.samples and len(best.samples):
        return str(best.samples["prompt"].iloc[0])
    return next((token for token in best.tokens if not token.startswith("<")), "a")
