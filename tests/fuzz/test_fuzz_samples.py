"""JSONL and text from anywhere for `recurrence loops`: judged, or refused in words; every line that
is told is safe.
"""

import io
import json
from contextlib import ExitStack

import pytest
from fuzzing import ODD, changed, damaged, few, many, refused_or_done
from hypothesis import given
from hypothesis import strategies as st

from recurrence.cli.detectors import detectors
from recurrence.loops.verdict import LOOPS
from recurrence.scan.findings import judge_samples
from recurrence.scan.formats import writer
from recurrence.scan.highlight import pieces, sentence, unit_text
from recurrence.scan.reading import Asked, read_samples

RECORDS = [
    {"id": "a", "text": "round and round " * 8},
    {"id": 1, "tokens": [1, 2, 3] * 12},
    {"tokens": ["a", "b"] * 30, "text": "nothing to see"},
    {"id": "=1+1", "text": "=cmd|' /C calc'!A0 " * 6},
    {"choices": [{"message": {"role": "assistant", "content": "<think>so so</think> on and on"}}]},
    {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "ls"}}]}]},
]
LINES = [json.dumps(record).encode() for record in RECORDS]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        record = draw(st.sampled_from(RECORDS))
        tree = changed(record).map(lambda tree: json.dumps(tree).encode())
        odd = st.sampled_from(ODD).map(
            lambda value: json.dumps({"text": value, "id": value}).encode()
        )
        line = damaged(json.dumps(record).encode())
        other = st.sampled_from([b"[" * 5000, b"9" * 5000, b"\xff\xfe", b"\0", b"{}", b"", b"NaN"])
        lines.append(draw(tree | odd | line | other | st.sampled_from(LINES)))
    return draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r"])).join(lines)


units = st.sampled_from([None, None, "char", "word", "token", "event"])


def judge(content: bytes, unit: str | None, lines: bool) -> None:
    def told() -> None:
        samples = read_samples(["-"], io.BytesIO(content), Asked(unit, lines))
        with ExitStack() as stack:
            tell = [
                stack.enter_context(writer(format, io.StringIO(), LOOPS))
                for format in ("jsonl", "csv", "junit", "sarif")
            ]
            for sample, row in judge_samples(samples, detectors(None, unit, None, {})[0]):
                for write in tell:
                    write(row)
                for piece in pieces(sample, row):
                    assert piece.text is not None
                assert sentence(row) and unit_text(row) is not None

    refused_or_done(told)


@few
@given(files(), units, st.booleans())
def test_samples_are_judged_or_refused(content: bytes, unit: str | None, lines: bool) -> None:
    judge(content, unit, lines)


@pytest.mark.nightly
@many
@given(files(), units, st.booleans())
def test_samples_are_judged_or_refused_for_minutes(
    content: bytes, unit: str | None, lines: bool
) -> None:
    judge(content, unit, lines)
