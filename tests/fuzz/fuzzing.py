"""What the fuzz tests share: trees and bytes that are almost right, and what may come of them.

Each property has two tests. One tries the same few examples at every run; the other, marked
nightly, tries new ones for minutes: FUZZ_EXAMPLES says how many.
"""

import copy
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from recurrence.errors import RecurrenceError

MOST_CHARACTERS = 6000
"""Of a message: bounded, whatever it is about."""

_CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
MOST_CPU_S = 10.0
"""Of the processor, so that a busy machine does not matter; what grows without bound takes longer
at once.
"""
few = settings(
    max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=_CHECKS
)
many = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "20000")),
    deadline=None,
    suppress_health_check=_CHECKS,
    print_blob=True,
)


def refused_or_done(call: Callable[[], Any]) -> Any:
    """What the call returns, None where it refuses; any other exception passes through, and fails
    the test.
    """
    began = time.process_time()
    try:
        return call()
    except RecurrenceError as error:
        message = str(error)
        assert message.strip() and len(message) < MOST_CHARACTERS, message[:300]
        return None
    finally:
        assert time.process_time() - began < MOST_CPU_S


ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 3, 7, 1000, 2**31, 2**63 - 1, 10**18, 10**30, "9" * 5000),
    *(0.0, -0.0, 0.5, 1.5, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"), "1e-3"),
    *("", " ", "a", "a" * 3000, "\x1b]0;x\x07", "\u202e", "<unk>", "../../up", "/dev/zero", "é"),
    *("human_numbers", "greedy", "rnn", "lstm", "*a", "&a", "{{", "2020-99-99", "01:30", "~", "="),
    *([], [[]], [1, 1], [-1], [None], ["a", "a"], {}, {"a": {}}, {"char": 1, "word": 2}),
    *({"of_bits": 1.0}, {"char": {"char": 1}}, {"": 1}, {"a" * 300: 1}),
]


@st.composite
def changed(draw: st.DrawFn, tree: Any, times: int = 3) -> Any:
    """A copy of a tree of mappings and lists in which some places have become something else."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, times))):
        place, key = _place(draw, tree)
        if place is None:
            return copy.deepcopy(draw(st.sampled_from(ODD)))
        with suppress(KeyError, IndexError):
            _change(draw, place, key)
    return tree


def _place(draw: st.DrawFn, tree: Any) -> tuple[Any, Any]:
    """A container inside the tree and one of its keys; (None, None) stands for the tree itself."""
    found: tuple[Any, Any] = (None, None)
    while isinstance(tree, dict | list) and tree:
        key = draw(st.sampled_from(list(tree) if isinstance(tree, dict) else range(len(tree))))
        found, tree = (tree, key), tree[key]
        if draw(st.integers(0, 5)) == 0:
            break
    return found


def _change(draw: st.DrawFn, place: Any, key: Any) -> None:
    how = draw(st.sampled_from(["odd", "odd", "odd", "gone", "again", "other", "deep", "number"]))
    if how == "odd":
        place[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    elif how == "gone":
        del place[key]
    elif how == "again" and isinstance(place, dict):
        place[f"{key}x"] = copy.deepcopy(place[key])
    elif how == "other":
        place[key] = (
            copy.deepcopy(place[draw(st.sampled_from(list(place)))])
            if isinstance(place, dict)
            else None
        )
    elif how == "deep":
        for _ in range(draw(st.sampled_from([1, 3, 100]))):
            place[key] = [place[key]]
    else:
        place[key] = draw(st.integers(-(2**70), 2**70) | st.floats())


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some are others, missing, more or elsewhere."""
    raw = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        size = draw(st.sampled_from([1, 1, 2, 8, 64, 512]))
        how = draw(st.sampled_from(["other", "other", "gone", "more", "twice", "end"]))
        if how == "other":
            raw[at : at + size] = draw(st.binary(min_size=size, max_size=size))[: len(raw) - at]
        elif how == "gone":
            del raw[at : at + size]
        elif how == "more":
            raw[at:at] = draw(st.binary(min_size=1, max_size=size))
        elif how == "twice":
            raw[at:at] = raw[at : at + 512] * draw(st.sampled_from([1, 2, 200]))
        else:
            del raw[at:]
    return bytes(raw)
