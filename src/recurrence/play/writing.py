"""A text as it is written: each step with its ten likeliest tokens, its loop, and nats under the
reference model.

In: a model, a strategy and a prompt. Out: a moment per token. The loop that samples is decoding's
own; what is seen of a step is seen by two filters that change nothing, one before the strategy's
filters and one after them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from recurrence.decoding.filters.contract import Stateless
from recurrence.decoding.loop.prefill import prefill_rows
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.loop.sampling import Row, Sampler, steps
from recurrence.decoding.search.base import Search
from recurrence.loops import OnlineDetector
from recurrence.model import LanguageModel
from recurrence.vocab import Vocab

#   B = rows (1 here), V = vocabulary, T = tokens so far

TOP = 10


@dataclass(frozen=True)
class Writer:
    """A trained model, and what its texts are held against."""

    model: LanguageModel
    """In double precision, as the stage `generate` has it."""
    vocab: Vocab
    floor: int
    """Matched tokens from which on a repetition is a loop."""
    reference: LanguageModel | None
    """Under which nats per token are told; None: they are not."""


@dataclass(frozen=True)
class Bar:
    """A token and its probability, before the strategy's filters and after them."""

    token: int
    before: float
    after: float


@dataclass(frozen=True)
class Loop:
    """Tokens [start, end) of the text repeat a unit of `period` tokens; `end` moves on while they
    do.
    """

    start: int
    period: int
    end: int


@dataclass(frozen=True)
class Moment:
    """The text after a step. `ids` are without the prompt."""

    ids: tuple[int, ...]
    bars: tuple[Bar, ...]
    """What the last token was chosen from, the likeliest first; none of a search, which weighs
    whole texts.
    """
    loop: Loop | None
    """The first loop, from the token on at which it was certain."""
    reference_nats: float | None
    """Mean nats per token so far under the reference model."""
    stopped: bool = False
    """Ended by its loop, before its length."""


def write(  # noqa: PLR0913 (each is a choice of the reader's)
    writer: Writer,
    strategy: Sampler | Search,
    prompt: Prompt,
    length: int,
    rng: Generator,
    stop_on_loop: bool = False,
) -> Iterator[Moment]:
    """At most `length` tokens after a prompt, a moment for each; a search has but one, with its
    whole text.
    """
    told = _Told(writer, prompt)
    if isinstance(strategy, Search):
        ids = strategy.find(writer.model, [prompt], length, [rng]).rows()[0].tolist()
        moment = None
        for token in ids:
            moment = told.add(token, ())
        if moment:
            yield moment
        return
    before, after = _Look(), _Look()
    filters = (Stateless(before), *strategy.filters, Stateless(after))
    for step in steps(writer.model, [Row(prompt, replace(strategy, filters=filters), rng)], length):
        moment = told.add(int(step.ids_B), _bars(before.logits_V, after.logits_V))
        if stop_on_loop and moment.loop and len(moment.ids) < length:
            yield replace(moment, stopped=True)
            return
        yield moment


class _Look:
    """A filter's rule that keeps what it is shown, and changes nothing."""

    def __init__(self) -> None:
        self.logits_V = torch.zeros(0)

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        self.logits_V = logits_BV[0]
        return logits_BV


def _bars(before_V: Tensor, after_V: Tensor) -> tuple[Bar, ...]:
    """The TOP likeliest after the filters; where they leave fewer, the likeliest before come
    next.
    """
    p_V, q_V = (torch.nan_to_num(logits_V.double().softmax(-1)) for logits_V in (before_V, after_V))
    rank_V = torch.where(q_V > 0, 1 + q_V, p_V)
    order = rank_V.argsort(descending=True, stable=True)[:TOP].tolist()
    return tuple(Bar(i, float(p_V[i]), float(q_V[i])) for i in order)


class _Told:
    """What is known of a text, token by token."""

    def __init__(self, writer: Writer, prompt: Prompt) -> None:
        self.ids: list[int] = []
        self.loop: Loop | None = None
        self.detector = OnlineDetector(1, writer.vocab.detected_as, writer.floor, writer.vocab.unk)
        self.reader = _Reader(writer.reference, prompt) if writer.reference else None

    def add(self, token: int, bars: tuple[Bar, ...]) -> Moment:
        self.ids.append(token)
        self.loop = self._looped(token)
        nats = self.reader.add(token) if self.reader else None
        return Moment(tuple(self.ids), bars, self.loop, nats)

    def _looped(self, token: int) -> Loop | None:
        here = len(self.ids)
        if self.loop is None:
            if not self.detector.update(np.array([token]))[0]:
                return None
            return Loop(int(self.detector.start[0]), int(self.detector.period[0]), here)
        goes_on = self.loop.end == here - 1 and token == self.ids[-1 - self.loop.period]
        return replace(self.loop, end=here) if goes_on else self.loop


class _Reader:
    """The reference model reads along."""

    def __init__(self, model: LanguageModel, prompt: Prompt) -> None:
        with torch.inference_mode():
            self.logits_BV, [(_, self.read)] = prefill_rows(model, [(prompt, None)])
        self.text = list(prompt)
        self.total = 0.0
        self.count = 0

    @torch.inference_mode()
    def add(self, token: int) -> float:
        """Mean nats per token, this one included."""
        self.total += float(self.logits_BV[0].logsumexp(-1) - self.logits_BV[0, token])
        self.count += 1
        self.text.append(token)
        self.logits_BV = self.read.step(torch.tensor([self.text[-self.read.reach :]]))
        return self.total / self.count
