"""Altair charts to inline SVG and PNG, without a browser or a network; one style for all of them."""

import io
import re
import struct
import zlib
from html import escape
from typing import Any

Chart = Any
"""Any altair chart: altair gives no useful common type."""


def svg(chart: Chart, name: str, label: str) -> str:
    """Inline SVG that scales to its box, with ids of its own and a label for those who cannot see it."""
    out = io.StringIO()
    _styled(chart).save(out, format="svg")
    text = re.sub(
        r"(\.\d\d)\d+", r"\1", _renamed(out.getvalue(), name)
    )  # a hundredth of a pixel is enough
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', text)
    assert size is not None
    box = f'viewBox="0 0 {size[1]} {size[2]}" style="--drawn:{size[1]}px" role="img" aria-label="{escape(label)}"'
    return re.sub(
        r"^<svg [^>]*>", f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {box}>', text
    )


def _renamed(text: str, name: str) -> str:
    """Ids made of the chart's name and a number, for the renderer counts on from one chart to the next."""
    ids = {
        old: f"{name}-{i}"
        for i, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', text)))
    }
    return re.sub(r'(\bid="|url\(#|href="#)([^")]+)', lambda found: found[1] + ids[found[2]], text)


def png(chart: Chart) -> bytes:
    """PNG at twice the size, on white."""
    out = io.BytesIO()
    _styled(chart).save(out, format="png", scale_factor=2)
    return _repacked(out.getvalue())


def _repacked(image: bytes) -> bytes:
    """The same PNG, its pixels compressed as well as zlib can: a third of what the renderer leaves."""
    chunks, at = [], 8
    while at < len(image):
        size = int.from_bytes(image[at : at + 4], "big")
        chunks.append((image[at + 4 : at + 8], image[at + 8 : at + 8 + size]))
        at += 12 + size
    pixels = zlib.compress(
        zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")), 9
    )
    kept = [chunk for chunk in chunks if chunk[0] not in (b"IDAT", b"IEND")] + [
        (b"IDAT", pixels),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I4s", len(d), k) + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in kept
    )
    return image[:8] + b"".join(packed)


def _styled(chart: Chart) -> Chart:
    quiet = {
        "labelColor": "#4a5563",
        "titleColor": "#4a5563",
        "titleFontWeight": "normal",
        "domainColor": "#8a94a0",
    }
    axis = {
        **quiet,
        "gridColor": "#e8ebee",
        "tickColor": "#8a94a0",
        "labelFontSize": 11,
        "titleFontSize": 11,
    }
    chart = chart.configure(font="sans-serif", aria=False, background="white").configure_axis(
        **axis
    )
    return chart.configure_view(stroke=None).configure_legend(
        labelFontSize=11, title=None, labelLimit=220
    )
