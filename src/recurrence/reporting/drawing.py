"""Altair charts to SVG, without a browser or a network; one style for all of them.

SVG alone: the pixels of a PNG depend on which fonts a machine has.
"""

import io
import re
from html import escape
from typing import Any

Chart = Any
"""Any altair chart: altair gives no useful common type."""


def inline(chart: Chart, name: str, label: str) -> str:
    """SVG within a page: it scales to its box, has ids of its own and a label to be read aloud."""
    text = picture(chart, name)
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', text)
    assert size is not None
    box = (
        f'viewBox="0 0 {size[1]} {size[2]}" style="--drawn:{size[1]}px" '
        f'role="img" aria-label="{escape(label)}"'
    )
    return re.sub(
        r"^<svg [^>]*>", f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {box}>', text
    )


def picture(chart: Chart, name: str) -> str:
    """SVG as a file of its own, on white. A hundredth of a pixel is enough."""
    out = io.StringIO()
    _styled(chart).save(out, format="svg")
    return re.sub(r"(\.\d\d)\d+", r"\1", _renamed(out.getvalue(), name))


def _renamed(text: str, name: str) -> str:
    """Ids made of the chart's name and a number: the renderer counts on from chart to chart."""
    ids = {
        old: f"{name}-{i}"
        for i, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', text)))
    }
    return re.sub(r'(\bid="|url\(#|href="#)([^")]+)', lambda found: found[1] + ids[found[2]], text)


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
