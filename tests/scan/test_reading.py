"""Text, records, folders and stdin become samples; what cannot be read is skipped, counted and
named.
"""

import gzip
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from recurrence.errors import RecurrenceError
from recurrence.scan.fields import Field
from recurrence.scan.reading import Asked, read_samples
from recurrence.scan.samples import Sample
from recurrence.scan.skips import Skips


def read(
    *places: Path | str, stdin: bytes = b"", strict: bool = False, **asked: Any
) -> tuple[list[Sample], list[str]]:
    """The samples, and what is said of what was skipped."""
    skips = Skips(strict)
    found = read_samples(map(str, places), io.BytesIO(stdin), Asked(**asked), skips)
    return list(found), list(skips.lines())


def samples(*places: Path | str, stdin: bytes = b"", **asked: Any) -> list[Sample]:
    """The samples, where nothing may be skipped."""
    return read(*places, stdin=stdin, strict=True, **asked)[0]


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


# ---------------------------------------------------------------- what is a sample


def test_records_bring_their_id_or_get_their_line(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.jsonl",
        [{"id": "first", "text": "x"}, {"text": "y", "more": 1}, {"id": 0, "text": ""}],
    )
    assert [s.id for s in samples(file)] == ["first", f"{file}:2", "0"]
    assert [s.origin[:3] for s in samples(file)] == [(str(file), n, None) for n in (1, 2, 3)]


def test_blank_lines_are_no_records_but_count(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", '\n{"text": "x"}\n \n{"text": "y"}')
    assert [s.id for s in samples(file)] == [f"{file}:2", f"{file}:4"]


def test_the_unit_says_which_field_is_read(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"text": "one two", "tokens": [1, 2, 3]}])
    read = {unit: samples(file, unit=unit)[0] for unit in (None, "char", "word", "token")}
    assert [each.unit for each in read.values()] == ["char", "char", "word", "token"]
    assert [len(read[unit].ids) for unit in ("char", "word", "token")] == [7, 2, 3]
    assert spelled(read["token"]) == [1, 2, 3]


def test_several_texts_of_a_record_are_samples_of_their_own(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"id": "q", "outputs": [{"text": "x"}, {"text": "y"}]}])
    assert [(s.id, s.origin.part) for s in samples(file)] == [
        ("q/outputs[0].text", "outputs[0].text"),
        ("q/outputs[1].text", "outputs[1].text"),
    ]


def test_samples_are_grouped_by_a_field_of_the_record_or_by_file_or_part(tmp_path: Path) -> None:
    records = [
        {"text": "x", "run": {"model": "a"}},
        {"text": "y"},
        {"text": "z", "run": {"model": 7}},
    ]
    file = written(tmp_path / "a.jsonl", records)

    def groups(by: str) -> list[str | None]:
        return [s.origin.group for s in samples(file, by=Field.parse(by, "--by"))]

    assert groups("run.model") == ["a", None, "7"]
    assert groups("file") == [str(file)] * 3
    assert groups("part") == ["text"] * 3
    several = written(tmp_path / "b.jsonl", [{"outputs": ["x", "y"]}])
    found = samples(several, by=Field.parse("part", "--by"))
    assert [s.origin.group for s in found] == ["outputs[]"] * 2


def test_lines_of_a_text_as_samples(tmp_path: Path) -> None:
    file = written(tmp_path / "a.txt", "one\r\n\ntwo \n")
    assert [(s.id, spelled(s)) for s in samples(file, lines=True)] == [
        (f"{file}:1", "one"),
        (f"{file}:3", "two "),
    ]
    assert [spelled(s) for s in samples(file)] == ["one\r\n\ntwo \n"]


# ---------------------------------------------------------------- what a file is


@pytest.mark.parametrize(
    ("stdin", "tokens"),
    [
        (b'{"text": "x"}\n{"text": "y"}', ["x", "y"]),
        (b'\n\n{"tokens": [1]}\n', [[1]]),
        (b'[\n {"text": "x"},\n {"text": "y"}\n]\n', ["x", "y"]),
        (b'["x", "y"]', ["x", "y"]),
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


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ('{"text": "x"}', ["x"]),
        ('[{"text": "x"}, {"completion": "y"}]', ["x", "y"]),
        ('{"model": "m", "data": [{"text": "x"}, {"text": "y"}]}', ["x", "y"]),
        ("[5, 6, 5]", [[5, 6, 5]]),
        ('[{"role": "user", "content": "q"}, {"role": "assistant", "content": "x"}]', ["x"]),
        ('"just a string"', ["just a string"]),
        ('[{"n": 1}]', ['[{"n": 1}]']),
        ('{"a": {"n": 1}}', ['{"a": {"n": 1}}']),
        ('[{"n": 1}, {"n', ['[{"n": 1}, {"n']),
        ("[]", ["[]"]),
    ],
)
def test_json_is_records_or_else_a_text_that_someone_generated(
    content: str, tokens: list[Any], tmp_path: Path
) -> None:
    assert [spelled(s) for s in samples(written(tmp_path / "a.json", content))] == tokens


def test_rows_of_tables_are_records(tmp_path: Path) -> None:
    table = 'model,text\nm,"two\nlines"\nn,"with, comma"\n'
    file = written(tmp_path / "a.csv", table)
    found = samples(file, by=Field.parse("model", "--by"))
    assert [(s.id, spelled(s), s.origin.group) for s in found] == [
        (f"{file}#1", "two\nlines", "m"),
        (f"{file}#2", "with, comma", "n"),
    ]
    tabs = written(tmp_path / "a.tsv", "text\tn\nx, y\t1\n")
    assert [spelled(s) for s in samples(tabs)] == ["x, y"]


def test_cells_may_hold_tokens_and_conversations(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", 'tokens\n"[1, 2, 1]"\n')
    assert spelled(samples(file)[0]) == [1, 2, 1]


def test_a_table_without_a_known_column_is_a_text_and_that_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n * n}\n" for n in range(5))
    file = written(tmp_path / "a.csv", "n,square\n" + rows)
    (sample,), said = read(file)
    assert spelled(sample) == "n,square\n" + rows
    assert said == [f"{file}: has no column of a known name; judged as one text"]
    assert [spelled(s) for s in samples(file, field=Field.parse("square", "--field"))] == [
        str(n * n) for n in range(5)
    ]


def test_parquet_is_read_from_files_and_streams(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    file = tmp_path / "rnn.parquet"
    table = {
        "sample_id": ["a", "b"],
        "strategy": ["greedy", "top_p"],
        "ids": [[1, 2], [3]],
        "text": ["x", "y"],
    }
    pandas.DataFrame(table).to_parquet(file)
    found = samples(file, by=Field.parse("strategy", "--by"))
    assert [(s.id, spelled(s), s.origin.group) for s in found] == [
        ("a", "x", "greedy"),
        ("b", "y", "top_p"),
    ]
    assert [spelled(s) for s in samples(file, unit="token")] == [[1, 2], [3]]
    packed = written(tmp_path / "b.parquet.gz", gzip.compress(file.read_bytes()))
    assert [spelled(s) for s in samples(packed)] == ["x", "y"]
    assert [spelled(s) for s in samples("-", stdin=file.read_bytes())] == ["x", "y"]
    broken = written(tmp_path / "c.parquet", file.read_bytes()[:-20])
    found, said = read(broken)
    assert found == []
    assert "no Parquet file, or a broken one" in said[1]


# ---------------------------------------------------------------- packed


def packer(suffix: str) -> Callable[[bytes], bytes]:
    """Packs bytes as files of that suffix are."""
    if suffix == ".gz":
        return gzip.compress
    compress: Callable[[bytes], bytes] = pytest.importorskip("zstandard").compress
    return compress


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_packed_files_are_what_is_in_them(suffix: str, tmp_path: Path) -> None:
    pack = packer(suffix)
    data = pack(b'{"text": "x"}\n{"text": "y"}\n')
    for name in ("a.jsonl" + suffix, "a" + suffix, "a.jsonl"):  # by what it is, whatever its name
        file = written(tmp_path / name, data)
        assert [spelled(s) for s in samples(file)] == ["x", "y"]
    assert [spelled(s) for s in samples("-", stdin=data)] == ["x", "y"]
    two = written(tmp_path / f"two.txt{suffix}", pack(b"one") + pack(b" two"))
    assert spelled(samples(two)[0]) == "one two"


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_of_a_packed_file_that_was_cut_the_beginning_is_judged(suffix: str, tmp_path: Path) -> None:
    pack = packer(suffix)
    line = json.dumps({"text": "".join(map(chr, range(40, 1000)))}).encode() + b"\n"
    lines = b"".join(line.replace(b"(", str(n).encode()) for n in range(300))
    file = written(tmp_path / f"a.jsonl{suffix}", pack(lines)[:-300])
    found, said = read(file)
    assert 0 < len(found) < 300
    assert said[0].startswith("skipped: 1 file" if suffix == ".gz" else "skipped: 1")
    broken = written(tmp_path / f"b.jsonl{suffix}", pack(lines)[:4] + b"\xff" * 60)
    found, said = read(broken)
    assert found == []
    assert "cannot be read" in said[1]


# ---------------------------------------------------------------- folders


def test_folders_are_walked_in_order_and_say_what_they_leave_out(tmp_path: Path) -> None:
    names = ("b.txt", "a/z.md", "a/b.jsonl", ".git/c.txt", "a/.hidden.txt", "c.text", "d/run.py")
    for name in names:
        written(tmp_path / name, '{"text": "x"}')
    written(tmp_path / "picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (tmp_path / "back").symlink_to(tmp_path)
    found, said = read(tmp_path)
    places = [Path(s.origin.file).relative_to(tmp_path).as_posix() for s in found]
    assert places == ["a/b.jsonl", "a/z.md", "b.txt", "c.text", "d/run.py"]
    assert said == [
        "left out of folders: 4",
        f"  {tmp_path}/.git: hidden",
        f"  {tmp_path}/a/.hidden.txt: hidden",
        f"  {tmp_path}/back: a link to a folder",
        f"  {tmp_path}/picture.png: a binary file (it holds zero bytes), no text",
    ]


def test_what_is_left_out_of_a_folder_is_no_error_but_a_binary_file_that_is_named_is(
    tmp_path: Path,
) -> None:
    written(tmp_path / "a.txt", "x")
    model = written(tmp_path / "model.bin", b"ab\0\1\2")
    assert len(samples(tmp_path)) == 1
    with pytest.raises(RecurrenceError, match=r"model.bin: a binary file \(it holds zero bytes\)"):
        samples(model)


# ---------------------------------------------------------------- encodings


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    assert spelled(samples(written(tmp_path / "a.txt", b"\xef\xbb\xbfhi"))[0]) == "hi"
    assert spelled(samples(written(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "hi"}'))[0]) == "hi"
    assert spelled(samples("-", stdin=b'\xef\xbb\xbf{"text": "hi"}')[0]) == "hi"
    assert spelled(samples(written(tmp_path / "a.csv", b"\xef\xbb\xbftext\nhi\n"))[0]) == "hi"
    assert spelled(samples(written(tmp_path / "a.json", b'\xef\xbb\xbf{"text": "hi"}'))[0]) == "hi"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_told_by_their_mark_or_by_their_zeros(
    encoding: str, tmp_path: Path
) -> None:
    text = '{"text": "Grüße, 你好"}\n{"text": "\u0a0a two"}\n'
    for name in ("a.jsonl", "a.csv", "a.txt", "a.json"):
        content = {"a.jsonl": text, "a.csv": "text\nGrüße\n", "a.txt": text, "a.json": '["Grüße"]'}
        file = written(tmp_path / name, content[name].encode(encoding))
        found = [spelled(s) for s in samples(file)]
        right = {
            "a.jsonl": ["Grüße, 你好", "\u0a0a two"],
            "a.csv": ["Grüße"],
            "a.txt": [text],
            "a.json": ["Grüße"],
        }
        assert found == right[name]


def test_another_encoding_is_guessed_and_named_or_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "a.txt", "„Grüße“".encode("windows-1252"))
    (sample,), said = read(file)
    assert spelled(sample) == "„Grüße“"
    assert said == [f"{file}: is no UTF-8; read as windows-1252, a guess; --encoding names another"]
    other = written(tmp_path / "b.jsonl", '{"text": "привет"}\n'.encode("koi8-r"))
    assert spelled(samples(other, encoding="koi8-r")[0]) == "привет"


def test_text_is_told_from_what_is_none_by_its_content(tmp_path: Path) -> None:
    overstruck = written(tmp_path / "man", "N\bNA\bAM\bME\bE\n" * 9)
    assert len(samples(overstruck)) == 1
    packed = written(tmp_path / "noise", bytes(n * 37 % 255 + 1 for n in range(5000)))
    with pytest.raises(RecurrenceError, match=r"noise: a binary file \(it holds control char"):
        samples(packed)


def test_a_text_that_ends_inside_a_character_is_judged(tmp_path: Path) -> None:
    file = written(tmp_path / "a.txt", "你好".encode()[:-1])
    (sample,), said = read(file)
    assert spelled(sample) == "你\ufffd"
    assert said == [f"{file}: ends inside a character, which is read as U+FFFD"]


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{oops", r":2: must be one JSON record per line .*got '\{oops'"),
        ("[1, 2.5]", ":2: a record must have a text, or tokens"),
        ('{"text": null, "n": 1}', ":2: a record must have a text, .*`text` is null"),
        ('{"text": 5}', ":2: a record must have a text, .*has text"),
        ('{"tokens": [1, 2.5]}', ":2: a record must have a text, or tokens .*has tokens"),
        ('{"tokens": [true]}', ":2: a record must have a text, or tokens"),
        ("[" * 100_000, ":2: must be one JSON record"),
        ('{"tokens": [' + "1" * 5000 + "]}", ":2: must be one JSON record"),
    ],
)
def test_a_broken_record_is_named_by_its_line(line: str, words: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", '{"text": "fine"}\n' + line + '\n{"text": "fine"}\n')
    found, said = read(file)
    assert len(found) == 2
    assert said[0] == "skipped: 1 record (--strict ends at the first)"
    with pytest.raises(RecurrenceError, match=words) as caught:
        samples(file)
    assert said[1] == f"  {caught.value}"
    assert len(str(caught.value)) < 500


def test_a_record_cut_inside_a_character_is_skipped(tmp_path: Path) -> None:
    bad = '{"text": "你好你好"}\n'.encode().replace('好"'.encode(), b'\xe5\xa5"')
    file = written(tmp_path / "a.jsonl", b'{"text": "x"}\n' + bad)
    found, said = read(file)
    assert [spelled(s) for s in found] == ["x"]
    assert said[1] == f"  {file}:2: 1 place is no UTF-8, and read as U+FFFD, so it is no JSON"


@pytest.mark.parametrize(
    ("unit", "record"), [("token", {"text": "x"}), ("word", {"tokens": [1]}), ("event", {})]
)
def test_a_record_without_what_is_asked_for(
    unit: str, record: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(
        RecurrenceError, match=rf"a.jsonl:1: a record must have .* \(--unit {unit}\)"
    ):
        samples(written(tmp_path / "a.jsonl", [record]), unit=unit)


def test_many_that_are_skipped_are_counted_and_some_named(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"n": n} for n in range(1234)])
    found, said = read(file)
    assert found == []
    assert said[0].startswith("skipped: 1,234 records")
    assert (len(said), said[-1]) == (22, "  and 1,214 more")


def test_text_has_no_tokens_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match="--unit token is for records"):
        samples(written(tmp_path / "a.txt", "x"), unit="token")


def test_what_words_do_not_see_is_said(tmp_path: Path) -> None:
    dense = written(tmp_path / "a.txt", "今天天气很好。" * 20)
    blank = written(tmp_path / "b.txt", '{"a": 1}' + "\n" * 200)
    _, said = read(dense, blank, unit="word")
    assert said == [
        f"{dense}: 140 characters in 1 words, which white space parts; use --unit char",
        f"{blank}: has long stretches of white space, which words do not see; use --unit char",
    ]


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        RecurrenceError, match=r"none.txt: cannot be read \(No such file or directory\)"
    ):
        samples(tmp_path / "none.txt")


# ---------------------------------------------------------------- how much of it is held


def test_records_are_read_one_at_a_time() -> None:
    """The third is not there yet when the first is given out."""
    asked = []

    class Pipe(io.RawIOBase):
        def readinto(self, buffer: Any) -> int:
            asked.append(len(asked))
            data = b'{"text": "x"}\n' if len(asked) < 4 else b""
            buffer[: len(data)] = data
            return len(data)

    first = next(read_samples(["-"], Pipe()))
    assert first.id == "-:1"
    assert asked == [0]


def test_of_a_long_array_little_is_held(tmp_path: Path) -> None:
    import tracemalloc

    text = "x" * 1000
    elements = (json.dumps({"text": text}) for _ in range(8000))
    file = written(tmp_path / "a.json", f"[{', '.join(elements)}]")
    tracemalloc.start()
    count = sum(1 for _ in read_samples([str(file)], io.BytesIO()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 8000
    assert peak < 2_000_000 < file.stat().st_size


def test_every_byte_is_told_of(tmp_path: Path) -> None:
    places = [
        written(tmp_path / "a.txt", "some text"),
        written(tmp_path / "b.jsonl", '\n{"text": "x"}\n{"text": "é"}'),
        written(tmp_path / "c.jsonl.gz", gzip.compress(b'{"text": "x"}')),
        written(tmp_path / "d.bin", b"\0\0\0"),
    ]
    told: list[int] = []
    list(read_samples(map(str, places), io.BytesIO(), tell=told.append))
    assert sum(told) == sum(place.stat().st_size for place in places)
