"""A text of one's own -> the blocks of params.yaml with which to begin: a corpus, a model, its
baseline, its sampling.

The text is looked at first, as the stages would read it, so that what cannot be read is said at
once, and sizes fit.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from recurrence import corpora
from recurrence.errors import RecurrenceError
from recurrence.params import Source, Tokens
from recurrence.tokens import token_lines

LOOKED_AT = 2_000_000
"""Characters that are read."""
UNSEEN = 1_000_000
"""Characters and tokens that a text is thought to have which is not here yet."""
LARGE = 50_000_000
"""Characters from which on the first SAMPLE alone are used: a baseline counts all that there is in
memory.
"""
SAMPLE = 20_000_000
TRAINED_ON = 3_000_000
"""Tokens that the starter model sees in all its epochs: minutes on two cores."""
PER_SUBWORD = 4
"""Characters, about."""
FRACTION = 0.9
"""Of the characters for training."""
ORDER = {"char": 6, "word": 3, "subword": 4}
"""Of the n-grams of the baseline."""
DATASET = ("dataset_info.json", "dataset_dict.json")
"""Files by which a folder is a dataset of Hugging Face."""
ARCHIVES = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst))$", re.IGNORECASE)


@dataclass(frozen=True)
class Look:
    """What was seen of a text."""

    characters: int
    """All that there are, or about so many."""
    tokens: int
    lines: int
    has_parts: bool
    """Train and held-out text are given."""


def kind_of(path: Path) -> str:
    """The kind of source that a file or folder is; RecurrenceError for an archive, whose parts
    nobody can guess.
    """
    if path.is_dir():
        is_dataset = any((path / name).is_file() for name in DATASET)
        return "dataset" if is_dataset else "files"
    if ARCHIVES.search(path.name):
        raise RecurrenceError(
            f"{path}: an archive; unpack it and name the folder (or write its block with kind: "
            "archive and its members, docs/own-corpus.md)"
        )
    return "files"


def look(source: Source, path: Path, tokens: Tokens) -> Look:
    """Read the beginning of a text as the stages would. Raises RecurrenceError where they could
    not.
    """
    parts = corpora.read(source, path.parent)
    text, is_whole = _beginning(chain.from_iterable(parts.values()))
    characters = len(text) if is_whole else max(_bytes(path), len(text))
    return Look(
        characters=characters,
        tokens=round(_tokens(text, tokens) * characters / max(len(text), 1)),
        lines=text.count("\n") * characters // max(len(text), 1),
        has_parts=set(parts) == {"train", "valid"},
    )


def _beginning(text: Iterator[str]) -> tuple[str, bool]:
    """The first LOOKED_AT characters or somewhat more, and whether that is all."""
    seen: list[str] = []
    size = 0
    for piece in text:
        seen.append(piece)
        size += len(piece)
        if size >= LOOKED_AT:
            return "".join(seen), False
    return "".join(seen), True


def _tokens(text: str, rule: Tokens) -> int:
    if rule.unit == "word":
        return sum(map(len, token_lines([text], rule)))
    return len(text) // PER_SUBWORD if rule.unit == "subword" else len(text)


def _bytes(path: Path) -> int:
    """Of a file, or of all in a folder: about as many as characters."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


# ---------------------------------------------------------------- blocks


def blocks(
    name: str, source: dict[str, Any], tokens: dict[str, Any], seen: Look, few: str | None
) -> dict[str, str]:
    """Section of params.yaml to lines, as DVC lays them out. `few`: a set of strategies, so that
    sampling takes minutes.

    The recipe ends in its batches, and no block in a list: DVC would drop a comment behind one.
    """
    lstm, baseline = f"{name}-lstm", f"{name}-kneser_ney"
    unit = tokens["unit"]
    return {
        "corpora": _corpus(name, source, tokens, seen),
        "recipes": _recipe(name, seen),
        "models": _lines(lstm, corpus=name, name="lstm", core="lstm", **_sizes(unit, seen))
        + f"  recipe: {name}\n"
        + _lines(baseline, corpus=name, name="kneser_ney", core="kneser_ney")
        + f"  options: {{order: {ORDER[unit]}}}\n  recipe: counted\n",
        "sampling": _lines(
            lstm, corpus=name, name="lstm", reference="kneser_ney", amateur="kneser_ney"
        )
        + (f"  strategies: {few}\n" if few else ""),
    }


def _lines(key: str, **values: object) -> str:
    return f"{key}:\n" + "".join(f"  {name}: {value}\n" for name, value in values.items())


def _corpus(name: str, source: dict[str, Any], tokens: dict[str, Any], seen: Look) -> str:
    lines = [f"{name}:", "  source:", f"    kind: {source['kind']}", "    addresses:"]
    lines += [f"    - {_plain(address)}" for address in source["addresses"]]
    rest = {key: value for key, value in source.items() if key not in ("kind", "addresses")}
    lines += [f"    {key}: {_plain(value)}" for key, value in rest.items()]
    lines.append(f"  tokens: {_braces(tokens)}")
    rule = {"rule": "char_fraction", "fraction": FRACTION}
    lines.append(f"  split: {_braces({'rule': 'given'} if seen.has_parts else rule)}")
    lines.append(f"  vocab: {_braces(_vocab(tokens['unit'], seen))}")
    if seen.characters > LARGE and seen.lines:
        train = SAMPLE * seen.lines // seen.characters
        sample = {"train_lines": max(train, 1), "valid_lines": max(train // 10, 1)}
        lines.append(f"  sample: {_braces(sample)}  # all of it: null")
    held_out = max(round((1 - FRACTION) * seen.tokens), 1)
    prompts = {
        "prompt_tokens": _between(4, held_out // 20, 64),
        "length": _between(20, held_out // 4, 500 if tokens["unit"] == "char" else 200),
    }
    lines.append(f"  prompts: {_braces(prompts)}")
    return "\n".join(lines)


def _vocab(unit: str, seen: Look) -> dict[str, Any]:
    if unit == "word":
        return {"min_count": 2 if seen.tokens > 20_000 else 1, "max_size": 20_000}
    if unit == "subword":
        return {"max_size": _between(300, seen.tokens // 50, 4096)}
    return {}


def _recipe(name: str, seen: Look) -> str:
    """Some 3 million tokens in all; a text that is larger is trained on as far as that."""
    train = max(round(FRACTION * seen.tokens), 1)
    held_out = max(
        seen.tokens - train, 1
    )  # must fill a batch too, twice over as the tokens are estimated
    bptt = _between(4, held_out // 16, 64)
    size = _between(1, held_out // (2 * bptt), 32)
    lines = [f"{name}:"]
    if train > TRAINED_ON:
        lines.append(f"  sample_tokens: {TRAINED_ON}")
    lines += ["  phases:", f"  - epochs: {_between(1, TRAINED_ON // train, 20)}"]
    lines += ["    optimizer: {}", "    schedule:", "      kind: one_cycle", "      lr: 0.003"]
    lines.append(f"  batches: {{loader: lanes, size: {size}, bptt: {bptt}}}")
    return "\n".join(lines)


def _sizes(unit: str, seen: Look) -> dict[str, int]:
    hidden = 128 if seen.tokens < 200_000 else 256
    return {"embedding": 64 if unit == "char" else hidden, "hidden": hidden}


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _braces(values: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {_plain(value)}" for name, value in values.items()) + "}"


def _plain(value: Any) -> str:
    """A value as YAML writes it on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n...\n").removesuffix("\n")
