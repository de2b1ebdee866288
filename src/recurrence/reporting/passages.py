"""Samples cut where their loop begins, repeats and ends, so that a reader sees it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from recurrence.loops.verdict import LOOPS
from recurrence.results.corpus import ModelResults
from recurrence.tokens import detokenize

SHOWN_CHARACTERS = 700
"""A sample is cut there, or after three copies of its loop, or after SHOWN_LOOP tokens of it, where
that is later.
"""
SHOWN_LOOP = 40
SHOWN_PROMPT = 200


@dataclass(frozen=True)
class Piece:
    """Some text: before or after the loop (copy None), or one copy of its unit, counted from 0."""

    text: str
    copy: int | None = None


@dataclass(frozen=True)
class Passage:
    """One sample to read: its first tokens, as many as the verdict is on."""

    strategy: str
    prompt: str
    pieces: tuple[Piece, ...]
    left_out: int
    """Tokens not shown."""
    start: int | None
    """Tokens before the loop; None where there is no loop."""
    period: int | None
    copies: float | None
    terminal: bool
    near: bool
    """The copies differ by small edits, so they are not told apart."""
    chosen: bool
    """Under the recommended strategy."""


def passages(model: ModelResults, unit: str, plain: Sequence[str] = ()) -> list[Passage]:
    """The first prompt under the plain strategies and the recommended one, and the strongest loop
    of other random ones.
    """
    if not model.tokens or not len(model.samples):
        return []
    choice = model.choice
    best = choice.strategy if choice and choice.qualifies else None
    sampled = set(model.samples["strategy"])
    strategies = [
        name for name in dict.fromkeys([*_strategies(model, plain), best or ""]) if name in sampled
    ]
    rows = [_first(model, strategy) for strategy in strategies]
    loops = model.samples[
        model.samples["kind"].isin(LOOPS) & ~model.samples["deterministic"].astype(bool)
    ]
    others = loops[~loops["strategy"].isin(strategies)]
    if len(others):
        rows.append(others.sort_values(["matched", "sample_id"], ascending=[False, True]).iloc[0])
    return [_passage(row, model.tokens, unit, row["strategy"] == best) for row in rows]


def _strategies(model: ModelResults, plain: Sequence[str]) -> list[str]:
    """The plain strategies, else the first deterministic and the first random one."""
    found = model.samples.drop_duplicates("strategy").set_index("strategy")["deterministic"]
    return [name for name in plain if name in found.index] or [
        str(found[found == kind].index[0]) for kind in (True, False) if (found == kind).any()
    ]


def _first(model: ModelResults, strategy: str) -> "pd.Series[Any]":
    rows = model.samples[model.samples["strategy"] == strategy]
    return rows.sort_values(["prompt_id", "train_seed", "sample_seed"]).iloc[0]


def _passage(row: "pd.Series[Any]", tokens: Sequence[str], unit: str, chosen: bool) -> Passage:
    words = [visible(tokens[i]) for i in row["ids"][: row["length"]]]
    looping, near = row["kind"] in LOOPS, row["kind"] == "near"
    start, period = (int(row["start"]), int(row["period"])) if looping else (len(words), 0)
    end = start + _extent(row) if looping else len(words)
    shown = _shown(words, start + max(3 * period, SHOWN_LOOP) if looping else 0, unit)
    return Passage(
        strategy=row["strategy"],
        prompt=_ending(visible(row["prompt"])),
        pieces=tuple(_pieces(words[:shown], (start, end - start if near else period, end), unit)),
        left_out=len(words) - shown,
        start=start if looping else None,
        period=period if looping else None,
        copies=float(row["copies"]) if looping else None,
        terminal=bool(looping and pd.notna(row["terminal"]) and row["terminal"]),
        near=near,
        chosen=chosen,
    )


def _extent(row: "pd.Series[Any]") -> int:
    """Tokens from the loop's onset to its end; a near loop's copies are not all as long as its
    period.
    """
    near = row["kind"] == "near"
    return (
        round(float(row["copies"]) * row["period"]) if near else int(row["period"] + row["matched"])
    )


def _pieces(words: list[str], run: tuple[int, int, int], unit: str) -> Iterator[Piece]:
    start, period, end = run
    cuts: list[tuple[int, int, int | None]] = [(0, start, None)]
    cuts += [
        (at, min(at + period, end), copy) for copy, at in enumerate(range(start, end, period or 1))
    ]
    cuts += [(end, len(words), None)] if end > start else []
    for first, last, copy in cuts:
        if words[first:last]:
            yield Piece(detokenize(words[first:last], unit), copy)


def _shown(words: list[str], at_least: int, unit: str) -> int:
    """How many tokens fill SHOWN_CHARACTERS, but no fewer than at_least where there are so many."""
    characters = 0
    for shown, word in enumerate(words):
        if characters >= SHOWN_CHARACTERS and shown >= at_least:
            return shown
        characters += len(word) + (unit == "word")
    return len(words)


def _ending(prompt: str) -> str:
    return prompt if len(prompt) <= SHOWN_PROMPT else f"… {prompt[-SHOWN_PROMPT:]}"


def visible(text: str) -> str:
    """Control characters but tab and newline as their pictures, so that a page can hold any
    text.
    """
    return "".join(chr(0x2400 + ord(c)) if ord(c) < 32 and c not in "\t\n" else c for c in text)
