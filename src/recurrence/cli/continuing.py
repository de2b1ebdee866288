"""A prompt is continued on stdout, token by token; stderr says where and why it was stopped."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log
from typing import NamedTuple

import numpy as np
import torch

from recurrence import params, paths
from recurrence.cli.places import Trained
from recurrence.console import say, write
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.loop.sampling import Row, Sampler, Stopping, steps
from recurrence.decoding.loop.stopping import at_loop, at_token
from recurrence.decoding.prompts import encode_prompt, unknown_in
from recurrence.decoding.search.base import Search
from recurrence.decoding.strategies import build_strategy, setting_of
from recurrence.errors import RecurrenceError, nearest
from recurrence.files import read_json
from recurrence.loops import OnlineDetector
from recurrence.model import LanguageModel, core_module
from recurrence.model.checkpoint import load_config, load_model
from recurrence.randomness import generator
from recurrence.tokens import EOS


class Watch(NamedTuple):
    """What may end a text early, and how to say so once it has."""

    stop: Stopping
    reason: Callable[[], str]


def strategy_of(name: str, found: Trained) -> Sampler | Search:
    """A strategy of params.yaml for this model, whose scores and amateur are read if needed."""
    blocks = params.strategies()
    if name not in blocks:
        raise RecurrenceError(f"params.yaml: strategies has no {name!r}; {nearest(name, blocks)}")
    return built(name, blocks[name], found)


def built(name: str, block: params.Strategy, found: Trained) -> Sampler | Search:
    """The strategy of a block for this model, whose scores and amateur are read if needed."""
    vocab = found.vocab
    uniform = core_module("uniform").Counted.count(np.zeros(0, np.uint8), len(vocab))
    if _builds(name, block, Setting(vocab)):
        return build_strategy(name, block, Setting(vocab))
    if _builds(name, block, Setting(vocab, 1.0)):
        return build_strategy(name, block, _with_bits(found))
    build_strategy(name, block, Setting(vocab, 1.0, uniform))  # is it one at all?
    return build_strategy(name, block, _with_amateur(found))


def _builds(name: str, block: params.Strategy, setting: Setting) -> bool:
    """Whether a strategy needs no more than this."""
    try:
        build_strategy(name, block, setting)
    except RecurrenceError:
        return False
    return True


def _with_bits(found: Trained) -> Setting:
    """With the model's validation bits; RecurrenceError where it has no scores."""
    block = load_config(found.folder)
    nats = read_json(paths.scores(block.corpus, block.name))["exact"]["nats"]
    return Setting(found.vocab, nats / log(2))


def _with_amateur(found: Trained) -> Setting:
    """With its amateur as well; RecurrenceError where params.yaml names none, or it is not
    trained.
    """
    block = load_config(found.folder)
    key = f"{block.corpus}-{block.name}"
    asked = params.load().sampling.get(key)
    if asked is None:
        raise RecurrenceError(
            f"params.yaml: sampling has no {key!r}, and this strategy needs a second, weaker "
            f"model, "
            "which that block names as `amateur`; add it"
        )
    return setting_of(asked, found.vocab, torch.device("cpu"))


def watches(found: Trained, on_loop: bool, at_eos: bool) -> list[Watch]:
    """Those that are asked for; RecurrenceError where the vocabulary has no <eos> to stop at."""
    asked = []
    if on_loop:
        asked.append(_loop_watch(found))
    if at_eos:
        if EOS not in found.vocab.index:
            raise RecurrenceError(
                f"--stop-at-eos: the vocabulary of {found.folder} has no {EOS}; "
                "leave the option out"
            )
        asked.append(
            Watch(at_token(found.vocab.index[EOS]), lambda: f"the text ended itself ({EOS})")
        )
    return asked


def continue_prompt(
    found: Trained,
    strategy: Sampler | Search,
    prompt: str,
    length: int,
    seed: int,
    asked: list[Watch],
) -> None:
    """Write the prompt and what follows it. A search shows its text at the end."""
    if not prompt.isascii() and prompt != prompt.encode(errors="replace").decode():
        raise RecurrenceError("--prompt: must be UTF-8 text, has bytes that are none")
    ids = encode_prompt(prompt, found.vocab)
    if unknown := unknown_in(prompt, found.vocab):
        say(unknown)
    torch.set_num_threads(1)  # one row is too little to share
    model = load_model(found.folder, found.seed).double()  # as the stage does it
    between = " " if found.vocab.unit == "word" else ""
    with _interruptible():
        write(found.vocab.decode(ids))
        made = _tokens(model, strategy, ids, length, generator(seed, strategy.name, prompt))
        for count, (token, text) in enumerate(found.vocab.spoken(made), 1):
            write(between + text)
            ended = [watch for watch in asked if bool(watch.stop(torch.tensor([token])))]
            if ended:
                write("\n")
                reasons = " and ".join(watch.reason() for watch in ended)
                say(f"stopped after {count} tokens, {length - count} saved: {reasons}")
                return
    write("\n")


def _tokens(
    model: LanguageModel,
    strategy: Sampler | Search,
    prompt: Prompt,
    length: int,
    rng: torch.Generator,
) -> Iterator[int]:
    if isinstance(strategy, Sampler):
        for step in steps(model, [Row(prompt, strategy, rng)], length):
            yield int(step.ids_B)
    else:
        yield from strategy.find(model, [prompt], length, [rng]).rows()[0].tolist()


def _loop_watch(found: Trained) -> Watch:
    detector = OnlineDetector(1, found.vocab.detected_as, floor_of(found), found.vocab.unk)

    def reason() -> str:
        return (
            f"a loop of period {int(detector.period[0])} since token {int(detector.start[0]) + 1}"
        )

    return Watch(at_loop(detector), reason)


def floor_of(found: Trained) -> int:
    """The corpus's own floor, where its calibration says it; else that of params.yaml."""
    card = paths.calibration(load_config(found.folder).corpus)
    if card.is_file():
        return int(read_json(card)["detector"]["floor"])
    return params.for_unit(params.load().loops.floor, found.vocab.unit)


@contextmanager
def _interruptible() -> Iterator[None]:
    """End at once at Ctrl-C: nothing is to be saved, and torch may change the exception."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
