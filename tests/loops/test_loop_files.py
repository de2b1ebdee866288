"""Text, JSONL, folders and stdin become samples and verdict rows; what cannot be read is named."""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recurrence.errors import RecurrenceError
from recurrence.loops.files import Sample, read_samples, verdict_row

LOOP = "It began well. " + "on and on " * 10
FIELDS = {"id", "kind", "start", "period", "copies", "matched", "coverage", "terminal", "unit", "length"}


def samples(*places: Path | str, stdin: bytes = b"", **how: Any) -> list[Sample]:
    return list(read_samples(map(str, places), io.BytesIO(stdin), **how))


def written(path: Path, content: str | bytes | Iterable[Any]) -> Path:
    """A file with this text or bytes, or with a JSON line per record."""
    if not isinstance(content, (str, bytes)):
        content = "".join(json.dumps(record) + "\n" for record in content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---------------------------------------------------------------- rows


def test_the_row_of_a_text_that_loops(tmp_path: Path) -> None:
    file = written(tmp_path / "a.txt", LOOP)
    (row,) = map(verdict_row, samples(file))
    assert row == {
        "id": str(file),
        "kind": "exact",
        "length": 115,
        "start": 14,
        "period": 10,
        "copies": 10.1,
        "matched": 91,
        "coverage": 91 / 115,
        "terminal": True,
        "unit": " on and on",
    }
    assert row.keys() == FIELDS
    json.dumps(row)


def test_the_row_of_a_text_that_does_not_loop() -> None:
    (row,) = map(verdict_row, samples("-", stdin=b"nothing to see here"))
    assert row == dict.fromkeys(FIELDS) | {"id": "-", "kind": "none", "length": 19}


def test_words_start_and_end_at_white_space() -> None:
    (row,) = (verdict_row(s) for s in samples("-", stdin=LOOP.replace(" ", "\n  ").encode(), unit="word"))
    assert (row["start"], row["period"], row["matched"], row["unit"]) == (3, 3, 27, "on and on")


def test_tokens_of_either_kind_are_shown_as_they_are() -> None:
    records = [{"tokens": [7, *[900_000, -1, 2**70] * 9]}, {"tokens": ["a", *["▁b", "c"] * 20]}]
    stdin = "".join(json.dumps(record) + "\n" for record in records).encode()
    one, two = map(verdict_row, samples("-", stdin=stdin))
    assert (one["start"], one["period"], one["unit"]) == (1, 3, [900_000, -1, 2**70])
    assert (two["start"], two["period"], two["unit"]) == (1, 2, ["▁b", "c"])


def test_a_number_is_not_its_digits() -> None:
    assert verdict_row(Sample("x", "token", [1, "1"] * 30))["period"] == 2


@pytest.mark.parametrize(("unit", "just_below"), [("char", 40), ("word", 20), ("token", 20)])
def test_default_floors(unit: str, just_below: int) -> None:
    for matched, kind in ((just_below - 1, "none"), (just_below, "exact")):
        tokens = "a" * (matched + 1) if unit == "char" else ["a"] * (matched + 1)
        assert verdict_row(Sample("x", unit, tokens))["kind"] == kind
        assert verdict_row(Sample("x", unit, tokens), floor=5)["kind"] == "exact"


def test_half_a_surrogate_pair_can_still_be_printed() -> None:
    stdin = rb'{"text": "' + rb"ab\ud800" * 30 + rb'", "id": "\udc00"}'
    (row,) = map(verdict_row, samples("-", stdin=stdin))
    assert (row["id"], row["unit"], row["period"]) == ("?", "ab?", 3)


def test_astral_characters_are_one_each() -> None:
    (row,) = map(verdict_row, samples("-", stdin=("🦜é" * 30).encode()))
    assert (row["length"], row["period"], row["unit"]) == (60, 2, "🦜é")


# ---------------------------------------------------------------- what is a sample


def test_records_bring_their_id_or_get_their_line(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.jsonl", [{"id": "first", "text": "x"}, {"text": "y", "more": 1}, {"id": 0, "text": ""}]
    )
    assert [s.id for s in samples(file)] == ["first", f"{file}:2", "0"]


def test_blank_lines_are_no_records_but_count(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", '\n{"text": "x"}\n \n{"text": "y"}')
    assert [s.id for s in samples(file)] == [f"{file}:2", f"{file}:4"]


def test_the_unit_says_which_field_is_read(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"text": "one two", "tokens": [1, 2, 3]}])
    read = {unit: samples(file, unit=unit)[0] for unit in (None, "char", "word", "token")}
    assert read[None] == read["char"] == Sample(f"{file}:1", "char", "one two")
    assert read["word"].tokens == ["one", "two"]
    assert read["token"].tokens == [1, 2, 3]


def test_lines_of_a_text_as_samples(tmp_path: Path) -> None:
    file = written(tmp_path / "a.txt", "one\r\n\ntwo \n")
    assert [(s.id, s.tokens) for s in samples(file, lines=True)] == [(f"{file}:1", "one"), (f"{file}:3", "two ")]
    assert [s.tokens for s in samples(file)] == ["one\r\n\ntwo \n"]


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    assert samples(written(tmp_path / "a.txt", b"\xef\xbb\xbfhi"))[0].tokens == "hi"
    assert samples(written(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "hi"}'))[0].tokens == "hi"
    assert samples("-", stdin=b'\xef\xbb\xbf{"text": "hi"}')[0].tokens == "hi"


@pytest.mark.parametrize(
    ("stdin", "tokens"),
    [
        (b'{"text": "x"}\n{"text": "y"}', ["x", "y"]),
        (b'\n\n{"tokens": [1]}\n', [[1]]),
        (b"plain\ntext", ["plain\ntext"]),
        (b"\n{not json}\n", ["\n{not json}\n"]),
        (b'{"prompt": "a record of something else"}', ['{"prompt": "a record of something else"}']),
        (b"", [""]),
    ],
)
def test_without_a_suffix_the_first_line_tells(stdin: bytes, tokens: list[Any], tmp_path: Path) -> None:
    assert [s.tokens for s in samples("-", stdin=stdin)] == tokens
    assert [s.tokens for s in samples(written(tmp_path / "out", stdin))] == tokens


def test_a_text_file_is_text_whatever_it_holds(tmp_path: Path) -> None:
    assert samples(written(tmp_path / "a.txt", '{"text": "x"}'))[0].tokens == '{"text": "x"}'


def test_folders_are_walked_in_order_for_text_and_jsonl(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/b.jsonl", ".git/c.txt", "a/.hidden.txt", "picture.png", "c.text"):
        written(tmp_path / name, '{"text": "x"}')
    found = [Path(s.id.removesuffix(":1")).relative_to(tmp_path).as_posix() for s in samples(tmp_path)]
    assert found == ["a/b.jsonl", "a/z.md", "b.txt", "c.text"]


def test_records_are_read_one_at_a_time() -> None:
    """The second is not there yet when the first is given out."""
    asked = []

    class Slow(io.RawIOBase):
        def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]
            for n in range(3):
                asked.append(n)
                yield b'{"text": "x"}\n'

    first = next(read_samples(["-"], Slow()))  # type: ignore[arg-type]
    assert (first.id, asked) == ("-:1", [0])


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{oops", r":2: must be one JSON record per line .*got '\{oops'"),
        ("[1, 2]", ":2: a record must have `text`, a string"),
        ('"text"', ":2: a record must have `text`, a string"),
        ('{"text": 5}', ":2: a record must have `text`, a string"),
        ('{"tokens": "abc"}', ":2: a record must have `tokens`, a list of whole numbers or strings"),
        ('{"tokens": [1, 2.5]}', ":2: a record must have `tokens`, a list"),
        ('{"tokens": [true]}', ":2: a record must have `tokens`, a list"),
        ("[" * 100_000, ":2: must be one JSON record"),
        ('{"tokens": [' + "1" * 5000 + "]}", ":2: must be one JSON record"),
    ],
)
def test_a_broken_record_is_named_by_its_line(line: str, words: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", '{"text": "fine"}\n' + line + "\n")
    with pytest.raises(RecurrenceError, match=words) as caught:
        samples(file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("unit", "record"), [("token", {"text": "x"}), ("word", {"tokens": [1]}), ("char", {})])
def test_a_record_without_the_field_asked_for(unit: str, record: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match=rf"a.jsonl:1: a record must have .* \(--unit {unit}\)"):
        samples(written(tmp_path / "a.jsonl", [record]), unit=unit)


def test_text_has_no_tokens_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match="--unit token is for JSONL"):
        samples(written(tmp_path / "a.txt", "x"), unit="token")


def test_text_that_is_not_utf_8_is_named_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match=r"a.txt: must be UTF-8 text, got byte 0xff at 3"):
        samples(written(tmp_path / "a.txt", b"abc\xff"))
    with pytest.raises(RecurrenceError, match=r"a.jsonl:2: must be UTF-8 text"):
        samples(written(tmp_path / "a.jsonl", b'{"text": "x"}\n\xff\n'))
    with pytest.raises(RecurrenceError, match=r"-: must be UTF-8 text"):
        samples("-", stdin=b"\x80")


def test_missing_files_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match=r"none.txt: cannot be read \(No such file or directory\)"):
        samples(tmp_path / "none.txt")
    with pytest.raises(RecurrenceError, match=r"must hold files named .jsonl, .md, .ndjson, .text, .txt, has none"):
        samples(tmp_path)
