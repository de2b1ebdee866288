"""Archives: every kind reads alike; broken and hostile ones are refused with a reason."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recurrence.corpora import members as module
from recurrence.corpora.members import members
from recurrence.errors import RecurrenceError

FILES = {"a/1.txt": b"one\n" * 300, "a/2.txt": b"", "b.txt": b"two"}


def tar(path: Path, files: dict[str, bytes], *odd: tarfile.TarInfo) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in odd:
            archive.addfile(member)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    pack: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
    }
    path.write_bytes(pack.get(path.suffix, bytes)(buffer.getvalue()))
    return path


def zipped(path: Path, files: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def odd(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def contents(path: Path) -> dict[str, bytes]:
    return {name: content() for name, content in members(path)}


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_tar_however_compressed(tmp_path: Path, name: str) -> None:
    path = tar(tmp_path / name, FILES, odd("a", tarfile.DIRTYPE))
    assert contents(path) == FILES


def test_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.mkdir("folder")
    assert contents(path) == FILES


def test_the_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    assert contents(zipped(tmp_path / "x.tgz", FILES)) == FILES


def test_names_are_plain(tmp_path: Path) -> None:
    assert list(contents(tar(tmp_path / "x.tar", {"./a//b.txt": b"x"}))) == ["a/b.txt"]


def test_members_that_nobody_asks_for_are_passed_over(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar.gz", FILES)
    assert [content() for name, content in members(path) if name == "b.txt"] == [b"two"]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.txt", "a/../../up.txt", "..\\up.txt", "C:\\up.txt", "\\up.txt"]
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    for path in (tar(tmp_path / "x.tar", {name: b"x"}), zipped(tmp_path / "x.zip", {name: b"x"})):
        with pytest.raises(
            RecurrenceError, match=rf"^{path.name}: refused, because .* leads out of its folder"
        ):
            contents(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tar(tmp_path / "x.tar.gz", FILES, odd("a/link.txt", kind, "b.txt"))
    with pytest.raises(RecurrenceError, match="'a/link.txt' is a link, a device or sparse"):
        contents(path)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match="'l.txt' is a link"):
        contents(zipped(tmp_path / "x.zip", {"l.txt": b"/etc/passwd"}, stat.S_IFLNK | 0o777))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.txt": b"x"})
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # the flag in the local header, and in the central one
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(RecurrenceError, match="'a.txt' is encrypted"):
        contents(path)


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FREE_BYTES", 0)
    bomb = {"a.txt": bytes(4_000_000)}
    for path in (tar(tmp_path / "x.tar.gz", bomb), zipped(tmp_path / "x.zip", bomb)):
        with pytest.raises(
            RecurrenceError, match=r"refused, because it unpacks to more than [\d,]+ bytes"
        ):
            next(members(path))


def test_a_bomb_in_the_padding_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no member is not in the sizes that the archive claims."""
    monkeypatch.setattr(module, "FREE_BYTES", 0)
    raw = gzip.decompress(tar(tmp_path / "x.tar.gz", {"a.txt": b"x"}).read_bytes())
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(raw + bytes(4_000_000)))
    with pytest.raises(RecurrenceError, match="unpacks to more than"):
        contents(tmp_path / "x.tar.gz")


def test_a_small_archive_may_pack_very_well(tmp_path: Path) -> None:
    assert contents(tar(tmp_path / "x.tar.xz", {"a.txt": b"a" * 500_000})) == {
        "a.txt": b"a" * 500_000
    }


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MEMBERS", 2)
    with pytest.raises(RecurrenceError, match="more than 2 members"):
        contents(tar(tmp_path / "x.tar", FILES))


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz", "x.zip"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_truncated_archive_is_refused_even_if_nothing_is_read(
    tmp_path: Path, name: str, kept: float
) -> None:
    files = {f"{i}.txt": f"{i}".encode() * 400 for i in range(40)}
    path = zipped(tmp_path / name, files) if name.endswith("zip") else tar(tmp_path / name, files)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * kept)])
    with pytest.raises(
        RecurrenceError, match=rf"^{name}: not a whole archive \(.+\); fetch it again"
    ):
        list(members(path))


def test_the_check_sum_at_the_very_end_counts(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar.gz", FILES)
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RecurrenceError, match="not a whole archive"):
        list(members(path))


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.bz2", "x.tar.xz", "x.zip"])
def test_damage_in_the_middle_is_refused(tmp_path: Path, name: str) -> None:
    files = {f"{i}.txt": f"{i}".encode() * 400 for i in range(40)}
    path = zipped(tmp_path / name, files) if name.endswith("zip") else tar(tmp_path / name, files)
    raw = path.read_bytes()
    path.write_bytes(raw[:200] + b"\xff" * 40 + raw[240:])
    with pytest.raises(
        RecurrenceError, match=rf"^{name}: not a whole archive \(.+\); fetch it again"
    ):
        contents(path)


def pax(keywords: dict[str, str], repeats: int = 1) -> bytes:
    """Headers of one member, one after another, and its 1 byte of content."""
    info = tarfile.TarInfo("a.txt")
    info.size = 1
    info.pax_headers = keywords
    header = info.create_pax_header(info.get_info(), "utf-8")
    return header[:-512] * repeats + header[-512:] + b"x".ljust(512, b"\0") + bytes(1024)


@pytest.mark.parametrize("repeats", [100, 5000])
@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
def test_a_member_with_thousands_of_headers_is_refused(
    tmp_path: Path, name: str, repeats: int
) -> None:
    raw = pax({"comment": "x"}, repeats)
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    with pytest.raises(RecurrenceError, match="says more than 65,536 bytes of one member"):
        contents(tmp_path / name)


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(pax({"comment": "x" * 10_000_000}))
    with pytest.raises(RecurrenceError, match="says more than 65,536 bytes of one member"):
        contents(tmp_path / "x.tar")


@pytest.mark.parametrize(
    "keywords",
    [
        {"GNU.sparse.map": "a,b"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"path": "a\0b"},
        {"path": "/etc/passwd"},
        {"path": "../../up"},
        {"size": "-1"},
        {"size": "99999999999999999999"},
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, keywords: dict[str, str]) -> None:
    (tmp_path / "x.tar").write_bytes(pax(keywords))
    with pytest.raises(RecurrenceError, match=r"^x.tar: "):
        contents(tmp_path / "x.tar")


def test_long_names_and_many_keywords_are_read(tmp_path: Path) -> None:
    name = "a/" * 1000 + "b.txt"
    path = tar(tmp_path / "x.tar", {name: b"x", "c.txt": b"y"})
    assert contents(path) == {name: b"x", "c.txt": b"y"}
    (tmp_path / "y.tar").write_bytes(pax({f"comment{i}": "x" * 50 for i in range(500)}))
    assert contents(tmp_path / "y.tar") == {"a.txt": b"x"}


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", FILES)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"a/2.txt")] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RecurrenceError, match="damaged header"):
        contents(path)


@pytest.mark.parametrize(
    "content", [b"", b"just a text, and no archive at all\n" * 40, b"PK\x03\x04 not really"]
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(RecurrenceError, match=r"x\.tar: not a whole archive"):
        list(members(tmp_path / "x.tar"))
