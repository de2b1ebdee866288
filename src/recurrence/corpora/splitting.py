"""The ordered split of a corpus into train and validation text. Nothing is shuffled."""

import math
from io import StringIO
from itertools import islice

from recurrence.errors import RecurrenceError
from recurrence.params import Sample, Split, Tokens
from recurrence.tokens import detokenize, tokenize

PARTS = ("train", "valid")


def split(texts: dict[str, str], rule: Split, tokens: Tokens) -> dict[str, str]:
    """Train and validation text of what `corpora.read` gives; one after the other they are the whole.

    line_fraction: ceil(fraction x newlines) lines go to train. line: that many. token_windows: int(fraction x windows)
    windows of tokens. given: the source's own parts. Raises RecurrenceError where the rule does not fit the source.
    """
    if rule.rule == "given":
        if set(texts) != set(PARTS):
            raise RecurrenceError(
                "split.rule: given needs a source with members.train and members.valid"
            )
        return texts
    if len(texts) > 1:
        raise RecurrenceError(
            f"split.rule: must be given where the source has its own parts, got {rule.rule}"
        )
    (whole,) = texts.values()
    return (
        _by_windows(whole, rule, tokens) if rule.rule == "token_windows" else _by_lines(whole, rule)
    )


def first_lines(texts: dict[str, str], sample: Sample) -> dict[str, str]:
    """Only the first lines of each part."""
    most = {"train": sample.train_lines, "valid": sample.valid_lines}
    return {
        part: "".join(islice(StringIO(text, newline="\n"), most[part]))
        for part, text in texts.items()
    }


def _by_lines(text: str, rule: Split) -> dict[str, str]:
    lines = list(StringIO(text, newline="\n"))
    cut = rule.line if rule.line is not None else math.ceil(rule.fraction * text.count("\n"))
    return {"train": "".join(lines[:cut]), "valid": "".join(lines[cut:])}


def _by_windows(text: str, rule: Split, tokens: Tokens) -> dict[str, str]:
    assert rule.window is not None, "params.Split sees to it"
    if tokens.eos == "line" and tokens.unit == "word":
        raise RecurrenceError(
            "tokens.eos: line needs lines, which split.rule token_windows does not keep; use part or none"
        )
    stream = tokenize(text, tokens.model_copy(update={"eos": "none"}))
    windows = len(range(0, len(stream) - rule.window - 1, rule.window))
    cut = rule.window * int(rule.fraction * windows)
    return {
        "train": detokenize(stream[:cut], tokens.unit),
        "valid": detokenize(stream[cut:], tokens.unit),
    }
