"""`recurrence score`: how well the nets of a model predict a text, one by one, and all together."""

import json
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, Literal

from recurrence import device, params
from recurrence.cli.places import Trained
from recurrence.errors import RecurrenceError
from recurrence.model.checkpoint import load_model, seeds_in
from recurrence.scoring import exact

FIGURES = {
    "nats": "nats per token",
    "bits_per_char": "bits per character",
    "perplexity": "perplexity",
    "accuracy": "accuracy",
}
"""By their names in JSON, with those for people."""


@dataclass(frozen=True)
class Scored:
    """A text under some nets of a model."""

    nets: dict[int, dict[str, float]]
    """By seed, the FIGURES of each."""
    trained: list[int]
    """All seeds that there are."""
    tokens: int
    unknown: int


def score(found: Trained, asked: int | Literal["all"] | None, text: str) -> Scored:
    """Score a text under the first net, the one asked for, or all. RecurrenceError for a seed that
    is not there.
    """
    known = seeds_in(found.folder)
    seeds = known if asked == "all" else [known[0] if asked is None else asked]
    if missing := [seed for seed in seeds if seed not in known]:
        raise RecurrenceError(
            f"--seed {missing[0]}: {found.folder} has the seeds {', '.join(map(str, known))}; "
            "name one of them, or all"
        )
    ids, counts = found.vocab.encode_part(text)
    where = device.choose(params.load().compute, found.hidden)
    nets = {}
    for seed in seeds:
        result = exact(load_model(found.folder, seed, where), ids, device=where)
        nets[seed] = {
            "nats": result.nats,
            "bits_per_char": result.bits_per_char(int(counts["characters"])),
            "perplexity": result.perplexity,
            "accuracy": result.accuracy,
        }
    return Scored(nets, known, int(counts["tokens"]), int(counts["unk"]))


def lines(found: Scored) -> list[str]:
    """For people: a figure of one net, or mean and standard deviation over several."""
    told = []
    for name, words in FIGURES.items():
        values = [net[name] for net in found.nets.values()]
        spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
        told.append(f"{words:<18}  {mean(values):.4f}{spread}")
    told.append(f"{'tokens':<18}  {found.tokens} ({found.unknown} unknown to the model)")
    return [*told, f"{'seed':<18}  {_seeds(found)}"]


def _seeds(found: Scored) -> str:
    used = ", ".join(map(str, found.nets))
    if len(found.nets) > 1:
        return f"{used} (mean ± standard deviation)"
    others = len(found.trained) - 1
    return f"{used} ({others} more trained; --seed all takes all)" if others else used


def as_json(found: Scored) -> list[str]:
    """For programs: the figures of each net, and of several their mean and standard deviation."""
    tree: dict[str, Any] = {
        "tokens": found.tokens,
        "unknown": found.unknown,
        "seeds": {str(seed): figures for seed, figures in found.nets.items()},
    }
    columns = {name: [net[name] for net in found.nets.values()] for name in FIGURES}
    tree["mean"] = {name: mean(values) for name, values in columns.items()}
    if len(found.nets) > 1:
        tree["sd"] = {name: stdev(values) for name, values in columns.items()}
    return [json.dumps(tree)]
