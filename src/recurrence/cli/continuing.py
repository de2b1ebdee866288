"""A prompt is continued on stdout, token by token; stderr says where and why it was stopped."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from recurrence import params, paths
from recurrence.cli.places import Trained
from recurrence.console import say, write
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.loop.sampling import Row, Sampler, Stopping, steps
from recurrence.decoding.loop.stopping import at_loop, at_token
from recurrence.decoding.prompts import encode_prompt
from recurrence.decoding.search.base import Search
from recurrence.decoding.strategies import build_strategy, setting_of
from recurrence.errors import RecurrenceError, nearest
from recurrence.files import read_json
from recurrence.loops import OnlineDetector
from recurrence.model import LanguageModel
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
    try:
        return build_strategy(name, block, Setting(found.vocab))
    except RecurrenceError:
        config = load_config(found.folder)
        asked = params.load().sampling.get(f"{config.corpus}-{config.name}")
        if asked is None:
            raise
        setting = setting_of(asked, found.vocab, torch.device("cpu"))
        return build_strategy(name, block, setting)


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
    torch.set_num_threads(1)  # one row is too little to share
    model = load_model(found.folder, found.seed).double()  # as the stage does it
    between = "" if found.vocab.unit == "char" else " "
    with _interruptible():
        write(found.vocab.decode(ids))
        for count, token in enumerate(
            _tokens(model, strategy, ids, length, generator(seed, strategy.name, prompt)), 1
        ):
            write(between + found.vocab.decode([token]))
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
    detector = OnlineDetector(1, found.vocab.unit, floor_of(found), found.vocab.unk)

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
    return params.load().loops.floor["char" if found.vocab.unit == "char" else "word"]


@contextmanager
def _interruptible() -> Iterator[None]:
    """End at once at Ctrl-C: nothing is to be saved, and torch may change the exception."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
