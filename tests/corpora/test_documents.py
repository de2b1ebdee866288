"""Files as people have them become documents: a text as it is, a record on a line, unless its
newlines are kept.
"""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from recurrence.corpora import documents
from recurrence.corpora.fetch import Fetcher
from recurrence.errors import RecurrenceError
from recurrence.params import Source

ROWS = [{"text": "one\ntwo", "id": 7}, {"text": "three", "id": 8}, {"text": None, "id": 9}]
LINES = "one two\nthree\n"


def read(folder: Path, name: str, **fields: object) -> str:
    given = {"kind": "files", "addresses": [f"texts/{name}"], **fields}
    return "".join(documents.read(Source.model_validate(given), folder)["whole"])


def as_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def as_json(path: Path) -> None:
    path.write_text(json.dumps(ROWS))


def as_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(
            file, ["text", "id"], delimiter="\t" if path.suffix == ".tsv" else ","
        )
        table.writeheader()
        table.writerows(ROWS)


def as_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


FORMS = {
    "a.jsonl": as_jsonl,
    "a.json": as_json,
    "a.csv": as_csv,
    "a.tsv": as_csv,
    "a.parquet": as_parquet,
}


@pytest.mark.parametrize(("name", "write"), FORMS.items(), ids=FORMS)
def test_a_field_of_records(name: str, write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / name)
    assert read(tmp_path, name) == LINES
    assert read(tmp_path, name, field="text", newlines="keep") == "one\ntwo\nthree\n"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt"])
def test_packed(name: str, tmp_path: Path) -> None:
    FORMS.get(name, lambda path: path.write_text(LINES))(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    (tmp_path / f"{name}.zst").write_bytes(zstandard.compress(content))
    assert read(tmp_path, f"{name}.gz") == read(tmp_path, f"{name}.zst") == LINES


def test_a_folder_in_the_order_of_its_names(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"first\r\nline")
    (folder / "b/c.md").write_text("second\n")
    (folder / "b/d.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (folder / ".hidden.txt").write_text("no")
    as_jsonl(folder / "z.jsonl")
    assert read(tmp_path, "mine") == f"first\nline\nsecond\n{LINES}"
    assert read(tmp_path, "mine", newlines="space") == f"first line\nsecond\n{LINES}"


def test_the_only_text_of_a_record_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"poem": "a", "year": 1}\n"b"\n')
    assert read(tmp_path, "a.jsonl") == "a\nb\n"


def test_a_path_into_a_record(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"turns": [{"said": "a"}, {"said": "b"}]}\n')
    assert read(tmp_path, "a.jsonl", field="turns[].said") == "a\nb\n"


@pytest.mark.parametrize(
    ("name", "content", "fields", "message"),
    [
        ("a.jsonl", b'{"poem": "a", "poet": "b"}\n', {}, r"a.jsonl:1: in which field is the text\? .*poem, poet"),
        ("a.jsonl", b'{"poem": "a"}\n', {"field": "text"}, r"a.jsonl:1: must have text \(source.field\), has poem"),
        ("a.jsonl", b'{"text": 3}\n', {"field": "text"}, "a.jsonl:1: text must be text, is '3'"),
        ("a.jsonl", b'{"text": "a"}\n{"text"\n', {}, "a.jsonl:2: must be one JSON record per line"),
        ("a.jsonl", b'{"text": "caf\xe9"}\n', {}, "a.jsonl.*UTF-8"),
        ("a.csv", b"text,id\ncaf\xe9,1\n", {}, "a.csv: is no UTF-8.*name its encoding"),
        ("a.jsonl", b"", {}, "a.jsonl: is empty"),
        ("a.txt", b" \n", {}, "a.txt: is empty"),
        ("a.txt", b"a\0b", {}, "a.txt: a binary file"),
        ("a.txt.gz", b"\x1f\x8bbroken", {}, "a.txt.gz: cannot be read"),
        ("a.parquet", b"PAR1", {}, "a.parquet.*Parquet"),
        ("a.txt", b"caf\xe9", {}, "a.txt: must be utf-8 text, but byte 3"),
        ("a.jsonl", b'{"text": "a"}\n', {"field": "]"}, "source.field ]: must be names and places"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_ends_it(
    name: str, content: bytes, fields: dict[str, str], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecurrenceError, match=message) as caught:
        read(tmp_path, name, **fields)
    assert str(tmp_path) not in str(caught.value)


def test_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,id\ncafé,1\n".encode("latin-1"))
    assert read(tmp_path, "a.csv", encoding="latin-1") == "café\n"


def test_what_no_file_can_hold_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a\\ud800b\\u0000c"}\n')
    assert read(tmp_path, "a.jsonl") == "a\ufffdb\ufffdc\n"


def test_a_folder_is_copied_with_what_its_links_lead_to(tmp_path: Path) -> None:
    home = tmp_path / "texts/mine"
    (home / "in").mkdir(parents=True)
    (tmp_path / "elsewhere.txt").write_text("linked")
    (home / "in/b.txt").symlink_to(tmp_path / "elsewhere.txt")
    (home / ".cache").mkdir()
    (home / ".cache/x.txt").write_text("no")
    (home / "loop").symlink_to(home)
    raw = tmp_path / "raw"
    raw.mkdir()
    source = Source.model_validate({"kind": "files", "addresses": ["texts/mine"]})
    documents.obtain(source, raw, Fetcher(tmp_path, tmp_path))
    files = [path for path in raw.rglob("*") if path.is_file()]
    assert [path.relative_to(raw).as_posix() for path in files] == ["mine/in/b.txt"]
    assert not files[0].is_symlink() and files[0].read_text() == "linked"


@pytest.mark.parametrize(
    ("fields", "message"),
    [({}, "a folder without files"), ({"digests": [f"md5:{'0' * 32}"]}, "a folder has no digest")],
)
def test_a_folder_that_cannot_be_had(
    fields: dict[str, object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "texts/mine").mkdir(parents=True)
    if fields:
        (tmp_path / "texts/mine/a.txt").write_text("a")
    (tmp_path / "raw").mkdir()
    source = Source.model_validate({"kind": "files", "addresses": ["texts/mine"], **fields})
    with pytest.raises(RecurrenceError, match=message):
        documents.obtain(source, tmp_path / "raw", Fetcher(tmp_path, tmp_path))
    assert list((tmp_path / "raw").iterdir()) == []
