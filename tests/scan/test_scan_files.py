"""Text, JSONL, folders and stdin become samples; what cannot be read is named."""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.errors import RecurrenceError
from recurrence.scan import files
from recurrence.scan.files import Sample, of_text, of_tokens, read_samples


def samples(*places: Path | str, stdin: bytes = b"", **how: Any) -> list[Sample]:
    return list(read_samples(map(str, places), io.BytesIO(stdin), **how))


def written(path: Path, content: str | bytes | Iterable[Any]) -> Path:
    """A file with this text or bytes, or with a JSON line per record."""
    if not isinstance(content, (str, bytes)):
        content = "".join(json.dumps(record) + "\n" for record in content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def spelled(sample: Sample) -> str | list[str | int]:
    """All of it, as it is written."""
    return sample.spell(0, len(sample.ids))


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("plain", "u1"),
        ("\xff\x00", "u1"),
        ("naïve — 1", "<u2"),
        ("ab\ud800", "<u2"),
        ("🦜é", "<u4"),
        ("", "u1"),
    ],
)
def test_a_character_is_one_number_and_takes_no_more_room_than_it_must(
    text: str, kind: str
) -> None:
    sample = of_text(text, "x")
    assert (sample.ids.tolist(), sample.ids.dtype) == ([ord(c) for c in text], kind)
    assert (spelled(sample), sample.text(), sample.spell(1, 3)) == (text, text, text[1:3])


def test_words_are_parted_by_white_space_of_any_kind() -> None:
    sample = of_text(" on\u2003and\non  and\x1don", "x", "word")
    assert sample.ids.tolist() == [0, 1, 0, 1, 0]
    assert spelled(sample) == sample.text() == "on and on and on"


@given(text=st.text(" \nab", max_size=60), at_once=st.integers(1, 9))
def test_words_are_the_same_however_much_is_cut_at_once(text: str, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_CHARACTERS_AT_ONCE", at_once)
        sample = of_text(text, "x", "word")
    assert spelled(sample) == " ".join(text.split())


def test_tokens_of_either_kind_are_given_back_as_they_are() -> None:
    sample = of_tokens([7, "▁b", 2**70, 7, "7", -1], "x")
    assert sample.ids.tolist() == [0, 1, 2, 0, 3, 4]
    assert spelled(sample) == [7, "▁b", 2**70, 7, "7", -1]
    assert sample.text() is None


# ---------------------------------------------------------------- what is a sample


def test_records_bring_their_id_or_get_their_line(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.jsonl",
        [{"id": "first", "text": "x"}, {"text": "y", "more": 1}, {"id": 0, "text": ""}],
    )
    assert [s.id for s in samples(file)] == ["first", f"{file}:2", "0"]


def test_blank_lines_are_no_records_but_count(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", '\n{"text": "x"}\n \n{"text": "y"}')
    assert [s.id for s in samples(file)] == [f"{file}:2", f"{file}:4"]


def test_the_unit_says_which_field_is_read(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"text": "one two", "tokens": [1, 2, 3]}])
    read = {unit: samples(file, unit=unit)[0] for unit in (None, "char", "word", "token")}
    assert [read[unit].unit for unit in (None, "char", "word", "token")] == [
        "char",
        "char",
        "word",
        "token",
    ]
    assert [len(read[unit].ids) for unit in ("char", "word", "token")] == [7, 2, 3]
    assert spelled(read["token"]) == [1, 2, 3]


def test_lines_of_a_text_as_samples(tmp_path: Path) -> None:
    file = written(tmp_path / "a.txt", "one\r\n\ntwo \n")
    assert [(s.id, spelled(s)) for s in samples(file, lines=True)] == [
        (f"{file}:1", "one"),
        (f"{file}:3", "two "),
    ]
    assert [spelled(s) for s in samples(file)] == ["one\r\n\ntwo \n"]


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    assert spelled(samples(written(tmp_path / "a.txt", b"\xef\xbb\xbfhi"))[0]) == "hi"
    assert spelled(samples(written(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "hi"}'))[0]) == "hi"
    assert spelled(samples("-", stdin=b'\xef\xbb\xbf{"text": "hi"}')[0]) == "hi"


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
def test_without_a_suffix_the_first_line_tells(
    stdin: bytes, tokens: list[Any], tmp_path: Path
) -> None:
    assert [spelled(s) for s in samples("-", stdin=stdin)] == tokens
    assert [spelled(s) for s in samples(written(tmp_path / "out", stdin))] == tokens


def test_a_text_file_is_text_whatever_it_holds(tmp_path: Path) -> None:
    assert spelled(samples(written(tmp_path / "a.txt", '{"text": "x"}'))[0]) == '{"text": "x"}'


def test_folders_are_walked_in_order_for_text_and_jsonl(tmp_path: Path) -> None:
    for name in (
        "b.txt",
        "a/z.md",
        "a/b.jsonl",
        ".git/c.txt",
        "a/.hidden.txt",
        "picture.png",
        "c.text",
    ):
        written(tmp_path / name, '{"text": "x"}')
    found = [
        Path(s.id.removesuffix(":1")).relative_to(tmp_path).as_posix() for s in samples(tmp_path)
    ]
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
        (
            '{"tokens": "abc"}',
            ":2: a record must have `tokens`, a list of whole numbers or strings",
        ),
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


@pytest.mark.parametrize(
    ("unit", "record"), [("token", {"text": "x"}), ("word", {"tokens": [1]}), ("char", {})]
)
def test_a_record_without_the_field_asked_for(
    unit: str, record: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(
        RecurrenceError, match=rf"a.jsonl:1: a record must have .* \(--unit {unit}\)"
    ):
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
    with pytest.raises(
        RecurrenceError, match=r"none.txt: cannot be read \(No such file or directory\)"
    ):
        samples(tmp_path / "none.txt")
    with pytest.raises(
        RecurrenceError, match=r"must hold files named .jsonl, .md, .ndjson, .text, .txt, has none"
    ):
        samples(tmp_path)


def test_what_is_no_text_is_told_from_text_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match=r"model.bin: must be UTF-8 text, got a binary file"):
        samples(written(tmp_path / "model.bin", b"ab\0\1\2"))
    with pytest.raises(
        RecurrenceError, match=r"a.txt: must be UTF-8 text, got UTF-16; .* iconv -f utf-16"
    ):
        samples(written(tmp_path / "a.txt", "words".encode("utf-16")))


# ---------------------------------------------------------------- how far it is


def test_every_byte_is_told_of_once_its_sample_is_done_with(tmp_path: Path) -> None:
    places = [
        written(tmp_path / "a.txt", "some text"),
        written(tmp_path / "b.jsonl", '\n{"text": "x"}\n{"text": "é"}'),
    ]
    told: list[int] = []
    done = [sum(told) for _ in read_samples(map(str, places), io.BytesIO(), tell=told.append)]
    sizes = [place.stat().st_size for place in places]
    assert done == [0, sizes[0] + 1, sizes[0] + 15]
    assert sum(told) == sum(sizes)
