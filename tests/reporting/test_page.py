import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from recurrence import params
from recurrence.reporting import page
from recurrence.reporting.results import Results
from reporting.results_tree import changed, model

ADDRESSES = {"src", "href", "xlink:href", "srcset", "action"}
VOID = {"meta", "link", "br", "wbr"}


class Tree(HTMLParser):
    """Fails on a tag that is not closed where it must be; collects ids, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.places: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in VOID else [tag]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.places += [value or "" for name, value in attrs if name in ADDRESSES]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def html(toy: Results) -> str:
    return page.html(toy)


def test_the_page_is_whole_and_its_ids_are_its_own(html: str) -> None:
    tree = Tree(html)
    assert len(tree.ids) == len(set(tree.ids))
    anchors = [place[1:] for place in tree.places if place.startswith("#")]
    assert anchors and set(anchors) <= set(tree.ids)


def test_the_page_asks_no_host_and_runs_no_script(html: str) -> None:
    others = [place for place in Tree(html).places if not place.startswith("#")]
    assert sorted(set(others)) == ["curves.csv", "data:,", "decoding.csv", "models.csv", "summary.md"]
    assert "<script" not in html and "@import" not in html
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert set(re.findall(r"url\(([^#])", html)) == set()


def test_the_page_is_for_phones_too(html: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    tables = html.count("<table")
    assert tables == len(re.findall(r'<div class="scroll[^>]*tabindex="0">\s*<table', html))


def test_text_of_samples_is_escaped(toy: Results) -> None:
    samples = model(toy, "good").samples.assign(prompt="</blockquote><script>alert(1)</script>")
    tokens = ("<img src=x onerror=a()>", *model(toy, "good").tokens[1:])
    hostile = page.html(changed(toy, "good", samples=samples, tokens=tokens))
    assert "<script" not in hostile and "<img" not in hostile
    assert "<img src=x onerror=a()>" in "".join(Tree(hostile).text)


def test_the_loop_is_marked_from_its_onset(html: str) -> None:
    sample = html[html.index('<figure class="sample">') :]
    sample = sample[: sample.index("</figure>")]
    assert "loops after 5 characters · period 4 · 13.8 copies" in sample
    before, after = sample.split('<span class="onset">loop</span>')
    assert "&lt;b&gt;&amp;" in before and "<mark" not in before
    assert re.findall(r"<mark( class=\"odd\")?>", after) == ["", ' class="odd"'] * 7


def test_figures_stand_in_the_table(html: str) -> None:
    row = html[html.index('<tr class="best">') :]
    cells = re.sub(r"<[^>]+>", " ", row[: row.index("</tr>")]).split()
    exact, alike = "1.320 ± 0.028 +0.080 1.90 3.74 55 %", "1.310 1.321 ± 0.028 +0.011 60 % 58 %"
    assert cells == f"good best lstm 1 × 8 {exact} {alike} 1,234 2 1 min 15 s CPU".split()


def test_what_is_missing_is_said(toy: Results) -> None:
    partial = replace(changed(toy, "poor", absent=("samples", "loops")), missing=("lost",))
    for text in (page.html(partial), page.markdown(partial)):
        plain = re.sub(r"<[^>]+>", "", text)
        assert re.search(r"[Mm]issing from this report[^.]*: lost\.", plain)
        assert "poor: no samples, no loops yet" in plain


def test_without_samples_there_is_no_section_on_them(toy: Results) -> None:
    for m in toy.models:
        toy = changed(toy, m.name, samples=m.samples.iloc[:0], rates={})
    text = page.html(toy)
    Tree(text)
    assert 'id="models"' in text and 'id="samples"' not in text


def test_baselines_alone_make_a_page(toy: Results) -> None:
    Tree(page.html(replace(toy, models=tuple(toy.baselines))))


def test_every_row_of_a_markdown_table_has_the_cells_of_its_head(toy: Results) -> None:
    text = page.markdown(toy)
    blocks = [block for block in re.split(r"\n\s*\n", text) if block.startswith("|")]
    assert len(blocks) == 5
    for block in blocks:
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in block.strip().splitlines()}
        assert len(widths) == 1, block
    assert "| good (best) | lstm 1 × 8 | 1.320 ± 0.028 |" in text


def test_shades_meet_those_of_the_chart() -> None:
    assert [page.shade(rate) for rate in (0, 1 / 3, 1)] == ["#f4f1ec", "#f2c9a1", "#b04a00"]
    assert page.shade(0.5) == "#e9aa6e"


def test_a_unit_of_nothing_but_space_can_be_seen(toy: Results) -> None:
    blank = changed(toy, "good", samples=model(toy, "good").samples.assign(attractor="  "))
    assert "<code>␣␣</code>" in page.html(blank)
    assert "| `␣␣` |" in page.markdown(blank)


def test_what_to_know_before_comparing_is_said(toy: Results) -> None:
    told = changed(toy, "good", remarks=("a <lucky> run", "trained on the first 9 tokens"))
    told = replace(told, sample=params.Sample(train_lines=1200, valid_lines=30))
    html, summary = page.html(told), page.markdown(told)
    assert "<b>good</b>: a &lt;lucky&gt; run; trained on the first 9 tokens." in html
    assert "- good: a <lucky> run; trained on the first 9 tokens." in summary
    assert all(
        "first 1,200 lines of its training text and 30 of its validation text" in text for text in (html, summary)
    )
    assert "sample of the corpus" not in page.html(toy)
