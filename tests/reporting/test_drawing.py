import re
import struct
import zlib

import altair as alt
import pandas as pd
import pytest

from recurrence.reporting import drawing


@pytest.fixture
def chart() -> drawing.Chart:
    table = pd.DataFrame({"x": [1, 2, 3], "y": [3.0, 1.0, 2.0]})
    return alt.Chart(table, width=120, height=60).mark_line(clip=True).encode(x="x:Q", y="y:Q")


def test_svg_scales_and_says_what_it_is(chart: drawing.Chart) -> None:
    svg = drawing.svg(chart, "one", 'a "line"')
    assert svg.startswith("<svg ") and svg.endswith("</svg>")
    head = svg[: svg.index(">")]
    assert (
        'viewBox="0 0 ' in head
        and 'role="img"' in head
        and 'aria-label="a &quot;line&quot;"' in head
    )
    assert not re.search(r'\s(width|height)="', head)


def test_two_charts_of_one_page_share_no_id(chart: drawing.Chart) -> None:
    one, two = (drawing.svg(chart, name, name) for name in ("one", "two"))
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    used = set(re.findall(r"url\(#([^)]+)\)", one))
    assert used and used <= ids[0]


def test_png_is_packed_without_changing_a_pixel(
    chart: drawing.Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = drawing.png(chart)
    monkeypatch.setattr(drawing, "_repacked", lambda image: image)
    plain = drawing.png(chart)
    assert len(packed) < len(plain)
    assert pixels(packed) == pixels(plain)


def pixels(image: bytes) -> tuple[bytes, bytes]:
    """Header and raw scan lines of a PNG, every chunk's checksum verified."""
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    at, header, data = 8, b"", b""
    while at < len(image):
        size, kind = struct.unpack(">I4s", image[at : at + 8])
        body = image[at + 8 : at + 8 + size]
        assert struct.unpack(">I", image[at + 8 + size : at + 12 + size])[0] == zlib.crc32(
            kind + body
        )
        header, data = (
            (body, data) if kind == b"IHDR" else (header, data + body if kind == b"IDAT" else data)
        )
        at += 12 + size
    assert kind == b"IEND"
    return header, zlib.decompress(data)
