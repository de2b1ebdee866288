"""Exact scores: every token of a stream but the first is predicted once; sum nats, count targets,
divide once.

No figure depends on how the stream is cut to be computed. What a notebook's own loader gave is
`as_notebook`: read from a training's history and never mixed with these.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, State
from recurrence.model.counting import CountedModel, Floats, Ids

#   B = lanes or windows, T = time, V = vocabulary, N = tokens of a stream; a state's leaves are LBH

MOST_LOGITS = 2**24
"""Logits held at a time, so that memory stays bounded whatever the vocabulary (64 MiB as
float32).
"""
MOST_STEPS, MOST_WINDOWS = 256, 4096
MOST_WINDOW_TOKENS = 2**22
"""Tokens of the windows held at a time; fewer windows at a time where they are very long."""
SHORTEST_LEG, MOST_LEGS = 64, 32
"""A lane is run in legs; the state after each is remembered, to see when a second run no longer
differs.
"""
SAME_STATE = 1e-6
"""States that differ by less than this fraction of their largest entry (about 8 roundings of
float32) are the same.
"""


@dataclass(frozen=True)
class TokenScores:
    """For every token but the first: ln of its probability, the likeliest token there (of equals,
    the lowest id), and whether that was it.
    """

    log_probs: Floats
    predicted: Ids
    hits: NDArray[np.bool_]

    def total(self) -> "Score":
        """Their sums."""
        return Score(-float(self.log_probs.sum()), len(self.hits), int(self.hits.sum()))


@dataclass(frozen=True)
class Score:
    """Sums over a stream, and the figures that follow from them."""

    total_nats: float
    targets: int
    correct: int

    @property
    def nats(self) -> float:
        """Mean nats per token."""
        return self.total_nats / self.targets

    @property
    def perplexity(self) -> float:
        """exp(nats); inf from about 709.8 nats on, where it is larger than a float can be."""
        try:
            return math.exp(self.nats)
        except OverflowError:
            return math.inf

    @property
    def accuracy(self) -> float:
        """Top-1, from 0 to 1."""
        return self.correct / self.targets

    def bits_per_char(self, characters: int) -> float:
        """Bits per character of the text that the stream stands for, so that vocabularies
        compare.
        """
        return self.total_nats / math.log(2) / characters

    def figures(self, characters: int) -> dict[str, float]:
        """What is written down of one seed."""
        figures = {
            "nats": self.nats,
            "bits_per_char": self.bits_per_char(characters),
            "perplexity": self.perplexity,
        }
        return figures | {"accuracy": self.accuracy, "tokens": self.targets}


def exact(
    model: LanguageModel | CountedModel,
    ids: Ids,
    *,
    lanes: int = 64,
    device: torch.device | str = "cpu",
) -> Score:
    """Score a stream of at least 2 ids with a model on `device`, in eval mode.

    A window model sees at most its `context` tokens before the target; any other carries its state
    from the first token to the last, and `lanes` only says how many pieces are computed side by
    side.
    """
    return token_scores(model, ids, lanes=lanes, device=device).total()


def token_scores(
    model: LanguageModel | CountedModel,
    ids: Ids,
    *,
    lanes: int = 64,
    device: torch.device | str = "cpu",
) -> TokenScores:
    """The same, token by token (N - 1 of them)."""
    assert not model.training, "dropout would be scored"
    if len(ids) < 2:
        raise RecurrenceError(f"there must be at least 2 tokens to score, got {len(ids)}")
    if int(ids.max()) >= model.vocab_size:
        raise RecurrenceError(
            f"token ids must be below the model's vocabulary of {model.vocab_size}, got {ids.max()}"
        )
    if isinstance(model, CountedModel):
        likeliest = model.likeliest(ids)
        return TokenScores(model.token_log_probs(ids), likeliest, likeliest == ids[1:])
    stream = torch.from_numpy(ids.astype(np.int64)).to(device)
    with torch.inference_mode():
        pieces = (
            _by_lanes(model, stream, lanes)
            if model.context is None
            else _by_windows(model, stream, model.context)
        )
    predicted = pieces[1].numpy()
    return TokenScores(_numbers(pieces[0]), predicted, predicted == ids[1:])


def _numbers(log_probs: Tensor) -> Floats:
    """As float64; raises RecurrenceError where a model's weights, finite as they are, give what is
    no number.
    """
    found: Floats = log_probs.double().numpy()
    if not np.isfinite(found).all():
        at = int(np.flatnonzero(~np.isfinite(found))[0]) + 1
        raise RecurrenceError(
            f"the model gives token {at:,} the log-probability {found[at - 1]}, which is no "
            f"number to go on with: "
            "its weights are too large; train it again with a smaller learning rate"
        )
    return found


def _by_windows(model: LanguageModel, ids: Tensor, context: int) -> tuple[Tensor, Tensor]:
    """Targets 1 to context - 1 have fewer tokens before them; from there on windows slide by
    one.
    """
    pieces = [
        _judge(model(ids[None, :t], ())[0], ids[t : t + 1])
        for t in range(1, min(context, len(ids)))
    ]
    most = min(MOST_WINDOWS, MOST_LOGITS // model.vocab_size, MOST_WINDOW_TOKENS // context)
    at_once = max(1, most)
    for start in range(context, len(ids), at_once):
        targets = ids[start : start + at_once]
        windows_BT = ids[start - context : start + len(targets) - 1].unfold(0, context, 1)
        pieces.append(_judge(model(windows_BT, ())[0], targets))
    return _joined(pieces)


def _by_lanes(model: LanguageModel, ids: Tensor, lanes: int) -> tuple[Tensor, Tensor]:
    """One pass over the stream with carried state, computed as lanes side by side.

    All lanes start from zero; then each whose predecessor ended in another state than it was given
    is run again from there, as far as that changes its own states, until none is left. Each round
    settles at least one more lane for good, so it ends, and with the states of a single pass.
    """
    lanes = min(lanes, len(ids) - 1)
    length = (len(ids) - 1) // lanes
    x_BT, y_BT = (ids[shift : shift + lanes * length].view(lanes, length) for shift in (0, 1))
    spans = _spans(length)
    log_probs_BT, predicted_BT = (
        torch.empty(lanes, length),
        torch.empty(lanes, length, dtype=torch.int64),
    )
    state, active = model.initial_state(lanes), torch.arange(lanes)
    after = [tuple(torch.full_like(leaf, math.nan) for leaf in state) for _ in spans]
    while len(active):
        for span, known in zip(spans, after, strict=True):
            log_probs, predicted, state = _run(model, x_BT[active, span], y_BT[active, span], state)
            log_probs_BT[active, span], predicted_BT[active, span] = log_probs, predicted
            changed = _remember(known, state, active)
            active, state = active[changed], tuple(leaf[:, changed] for leaf in state)
            if not len(active):
                break
        active = active[active < lanes - 1] + 1
        state = tuple(leaf[:, active - 1] for leaf in after[-1])
    pieces = [(log_probs_BT.flatten(), predicted_BT.flatten())]
    if len(rest := ids[lanes * length :]) > 1:
        last = tuple(leaf[:, -1:] for leaf in after[-1])
        log_probs, predicted, _ = _run(model, rest[None, :-1], rest[None, 1:], last)
        pieces.append((log_probs[0], predicted[0]))
    return _joined(pieces)


def _spans(length: int) -> list[slice]:
    """A lane's legs."""
    leg = max(SHORTEST_LEG, math.ceil(length / MOST_LEGS))
    return [slice(start, min(start + leg, length)) for start in range(0, length, leg)]


def _run(
    model: LanguageModel, x_BT: Tensor, y_BT: Tensor, state: State
) -> tuple[Tensor, Tensor, State]:
    """ln p of y, the likeliest tokens, on the CPU, and the state after; as many steps at a time as
    memory allows.
    """
    steps = max(1, min(MOST_STEPS, MOST_LOGITS // (len(x_BT) * model.vocab_size)))
    pieces = []
    for start in range(0, x_BT.shape[1], steps):
        logits_BTV, state = model(x_BT[:, start : start + steps], state)
        pieces.append(_judge(logits_BTV, y_BT[:, start : start + steps]))
    return *_joined(pieces), state


def _judge(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """ln p of each target, and the argmax there (torch takes the first of equals)."""
    log_probs = -F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return log_probs.view_as(targets).cpu(), logits.argmax(-1).cpu()


def _joined(pieces: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Pieces put together along the last axis."""
    log_probs, predicted = zip(*pieces, strict=True)
    return torch.cat(log_probs, -1), torch.cat(predicted, -1)


def _remember(known: State, state: State, active: Tensor) -> Tensor:
    """Put the active lanes' states in `known`; which of those lanes differ from what was there (NaN
    always does).
    """
    changed = torch.zeros(len(active), dtype=torch.bool)
    for old, new in zip(known, state, strict=True):
        difference = (new - old[:, active]).abs().amax((0, 2))
        changed |= ~(difference <= SAME_STATE * new.abs().amax((0, 2))).cpu()
        old[:, active] = new
    return changed


def as_notebook(history: pd.DataFrame, seed: int) -> dict[str, float] | None:
    """The last validation row of one seed, from the run with the notebook's own split where there
    was one.
    """
    rows = history[history["seed"] == seed]
    own = rows[rows["protocol"] == "as_notebook"]
    if rows.empty:
        return None
    last = (rows if own.empty else own).iloc[-1]
    return {"nats": float(last["valid_nats"]), "accuracy": float(last["valid_accuracy"])}


def mean(seeds: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """The mean of each figure over seeds, with `_sd` (of a sample; None for one seed) for nats and
    accuracy.
    """
    means: dict[str, float | None] = {}
    for name in seeds[0]:
        values = [figures[name] for figures in seeds]
        means[name] = values[0] if name == "tokens" else fmean(values)
        if name in ("nats", "accuracy"):
            means[f"{name}_sd"] = stdev(values) if len(values) > 1 else None
    return means


def delta(
    ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None
) -> dict[str, float | None] | None:
    """Ours minus theirs, None where either is missing."""
    if not ours or not theirs:
        return None
    return {
        name: None if theirs[name] is None else ours[name] - theirs[name]
        for name in ("nats", "accuracy")
    }


def in_json(figures: Mapping[str, float | None]) -> dict[str, float | str | None]:
    """The figures as JSON can hold them: infinity, which is no number there, as the text that
    float() reads.
    """
    return {name: "inf" if value == math.inf else value for name, value in figures.items()}


def size(model: LanguageModel | CountedModel) -> int:
    """Parameters of a trained model, counts of a counted one."""
    return (
        model.stored_counts
        if isinstance(model, CountedModel)
        else sum(p.numel() for p in model.parameters())
    )
