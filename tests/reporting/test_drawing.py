import re
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pytest

from recurrence.reporting import drawing


@pytest.fixture
def chart() -> drawing.Chart:
    table = pd.DataFrame({"x": [1, 2, 3], "y": [3.0, 1.0, 2.0]})
    return alt.Chart(table, width=120, height=60).mark_line(clip=True).encode(x="x:Q", y="y:Q")


def test_svg_scales_and_says_what_it_is(chart: drawing.Chart) -> None:
    svg = drawing.inline(chart, "one", 'a "line"')
    assert svg.startswith("<svg ") and svg.endswith("</svg>")
    head = svg[: svg.index(">")]
    assert (
        'viewBox="0 0 ' in head
        and 'role="img"' in head
        and 'aria-label="a &quot;line&quot;"' in head
    )
    assert not re.search(r'\s(width|height)="', head)


def test_two_charts_of_one_page_share_no_id(chart: drawing.Chart) -> None:
    one, two = (drawing.inline(chart, name, name) for name in ("one", "two"))
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    used = set(re.findall(r"url\(#([^)]+)\)", one))
    assert used and used <= ids[0]


def test_a_picture_is_a_file_of_its_own(chart: drawing.Chart) -> None:
    one, again = drawing.picture(chart, "one"), drawing.picture(chart, "one")
    assert one == again
    root = ElementTree.fromstring(one)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.attrib["width"]) > 120 and float(root.attrib["height"]) > 60
    assert 'fill="white"' in one
