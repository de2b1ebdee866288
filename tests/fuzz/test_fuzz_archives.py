"""Archives that are damaged, or made to do damage: read, or refused in words."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fuzzing import damaged, few, many, refused_or_done
from hypothesis import given
from hypothesis import strategies as st

from recurrence.corpora.members import members

FILES = {"a/1.txt": b"one two three\n" * 50, "a/2.txt": b"", "b.txt": bytes(range(256)) * 3}
PACKED = {"tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
NAMES = [
    "a.txt",
    "/etc/passwd",
    "../up",
    "a\\..\\b",
    "C:\\x",
    "",
    ".",
    "a\0b",
    "\x1b[2J",
    "é" * 200,
]
KEYWORDS = ["path", "size", "linkpath", "GNU.sparse.map", "GNU.sparse.major", "GNU.sparse.minor"]
KEYWORDS += ["GNU.sparse.size", "GNU.sparse.numblocks", "hdrcharset", "mtime", "uid", "comment"]
VALUES = [
    "",
    "0",
    "-1",
    "1,2",
    "a,b",
    "1e400",
    "9" * 30,
    "BINARY",
    "/etc/passwd",
    "../up",
    "x\0y",
    "1",
]


def tar(*headers: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return b"".join(headers) + buffer.getvalue()


def zipped(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WHOLE = [pack(tar()) for pack in PACKED.values()]
WHOLE += [zipped(method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)]


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A tar whose first headers, with their check sums right, say odd things."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        info = tarfile.TarInfo(draw(st.sampled_from(NAMES)))
        info.type = draw(
            st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"7", b"x", b"g", b"L", b"K", b"S"])
        )
        info.size = draw(st.sampled_from([0, 1, 511, 512, 10**6, 8**11 - 1]))
        info.linkname = draw(st.sampled_from(NAMES))
        info.pax_headers = draw(
            st.dictionaries(st.sampled_from(KEYWORDS), st.sampled_from(VALUES), max_size=4)
        )
        form = draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
        raw = info.tobuf(form, "utf-8", "surrogateescape")
        found.append(raw * draw(st.sampled_from([1, 1, 400])) + draw(st.binary(max_size=600)))
    return draw(st.sampled_from(list(PACKED.values())))(tar(*found))


archives = st.sampled_from(WHOLE).flatmap(damaged) | headers()


def read(folder: Path, content: bytes) -> None:
    path = folder / "x.tar"
    path.write_bytes(content)
    refused_or_done(lambda: [content() for _, content in members(path)])


@pytest.mark.parametrize("content", WHOLE)
def test_a_whole_one_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    found: dict[str, Any] = {name: read() for name, read in members(tmp_path / "x")}
    assert found == FILES


@few
@given(content=archives)
def test_an_archive_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    read(tmp_path, content)


@pytest.mark.nightly
@many
@given(content=archives)
def test_an_archive_is_read_or_refused_for_minutes(tmp_path: Path, content: bytes) -> None:
    read(tmp_path, content)
