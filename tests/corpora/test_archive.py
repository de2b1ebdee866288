"""Parts of an archive: files as they are, or documents as lines in an order that mixes the
folders.
"""

import hashlib
import zipfile
from pathlib import Path

import pytest

from recurrence.corpora import archive
from recurrence.corpora.fetch import Fetcher
from recurrence.errors import RecurrenceError
from recurrence.params import Source


def packed(folder: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(folder / "texts.zip", "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return folder


def source(members: dict[str, str], **fields: object) -> Source:
    return Source.model_validate(
        {"kind": "archive", "addresses": ["texts.zip"], "members": members, **fields}
    )


def read(source: Source, folder: Path) -> dict[str, str]:
    return {part: "".join(text) for part, text in archive.read(source, folder).items()}


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_plain_name_is_a_file_as_it_is(tmp_path: Path) -> None:
    packed(tmp_path, {"w/valid": " = B = \n", "w/train": " = A = \n\n<br />", "w/test": "no"})
    parts = read(source({"train": "w/train", "valid": "w/valid"}), tmp_path)
    assert list(parts.items()) == [("train", " = A = \n\n<br />"), ("valid", " = B = \n")]


def test_a_pattern_gives_a_line_per_document_by_number_then_folder(tmp_path: Path) -> None:
    names = ["pos/10_9", "pos/2_7", "neg/2_1", "neg/0_3", "pos/0_8", "unsup/2_0", "pos/x"]
    packed(
        tmp_path,
        {f"r/train/{name}.txt": name for name in names}
        | {"r/test/pos/0_1.txt": "held", "r/README": "no"},
    )
    parts = read(source({"train": "r/train/*/*.txt", "valid": "r/test/*/*.txt"}), tmp_path)
    assert parts["train"].splitlines() == [
        "pos/x",
        "neg/0_3",
        "pos/0_8",
        "neg/2_1",
        "pos/2_7",
        "unsup/2_0",
        "pos/10_9",
    ]
    assert parts["valid"] == "held\n"


def test_a_document_stays_on_its_line(tmp_path: Path) -> None:
    packed(
        tmp_path, {"a/1.txt": "one<br /><br />two\r\nthree\n", "a/2.txt": b"", "a/3.txt": "four"}
    )
    assert read(source({"train": "a/*.txt"}), tmp_path) == {"train": "one  two three\n\nfour\n"}


def test_a_pattern_without_a_match_is_named(tmp_path: Path) -> None:
    packed(tmp_path, {"a.txt": "x"})
    with pytest.raises(
        RecurrenceError, match=r"source.members.valid: no member of texts.zip matches 'b\*'"
    ):
        read(source({"train": "a.txt", "valid": "b*"}), tmp_path)


def test_no_text_is_in_both_parts(tmp_path: Path) -> None:
    packed(tmp_path, {"a.txt": "x"})
    with pytest.raises(
        RecurrenceError, match="'a.txt' must belong to one part, but train and valid match"
    ):
        read(source({"train": "*.txt", "valid": "a.txt"}), tmp_path)


def test_a_member_that_is_no_text_is_named(tmp_path: Path) -> None:
    packed(tmp_path, {"a/1.txt": "x", "a/2.txt": b"caf\xe9!"})
    with pytest.raises(
        RecurrenceError, match=r"^texts.zip: a/2.txt: must be utf-8 text, but byte 3 \(0xe9\)"
    ):
        read(source({"train": "a/*.txt"}), tmp_path)


def obtained(tmp_path: Path, digests: dict[str, str]) -> list[str]:
    (tmp_path / "raw").mkdir()
    archive.obtain(
        source({"train": "a.txt"}, member_digests=digests),
        tmp_path / "raw",
        Fetcher(tmp_path, tmp_path),
    )
    return [path.name for path in (tmp_path / "raw").iterdir()]


def test_members_with_the_right_digests_are_accepted(tmp_path: Path) -> None:
    packed(tmp_path, {"a.txt": "x", "b.txt": "y"})
    assert obtained(tmp_path, {"a.txt": sha256(b"x"), "b.txt": sha256(b"y")}) == ["texts.zip"]


def test_a_member_with_a_wrong_digest_is_named(tmp_path: Path) -> None:
    packed(tmp_path, {"a.txt": "x"})
    with pytest.raises(RecurrenceError, match="texts.zip: a.txt: wrong digest: expected sha256:"):
        obtained(tmp_path, {"a.txt": sha256(b"y")})
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    packed(tmp_path, {"a.txt": "x"})
    with pytest.raises(RecurrenceError, match="texts.zip: must have the members b.txt"):
        obtained(tmp_path, {"a.txt": sha256(b"x"), "b.txt": sha256(b"y")})
