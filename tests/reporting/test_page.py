import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recurrence import params
from recurrence.reporting import page
from recurrence.results.corpus import Results, load
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


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the charts out, which take nearly all the time."""
    nothing = dict.fromkeys(("panels", "frontiers", "survivals"), {}) | dict.fromkeys(
        ("ranking", "onsets", "periods", "wide", "narrow")
    )
    monkeypatch.setattr(page.charts, "charts", lambda results: nothing)


def test_the_page_is_whole_and_its_ids_are_its_own(html: str) -> None:
    tree = Tree(html)
    assert len(tree.ids) == len(set(tree.ids))
    anchors = [place[1:] for place in tree.places if place.startswith("#")]
    assert anchors and set(anchors) <= set(tree.ids)


def test_the_page_asks_no_host_and_runs_no_script(html: str) -> None:
    others = [place for place in Tree(html).places if not place.startswith(("#", "https://"))]
    assert sorted(set(others)) == [
        "../index.html",
        "curves.csv",
        "data:,",
        "decoding.csv",
        "machine.csv",
        "models.csv",
        "summary.md",
    ]
    assert "<script" not in html and "@import" not in html
    links = set(re.findall(r'<a href="(https://[^"]+)" rel="noreferrer">', html))
    assert "https://arxiv.org/abs/1904.09751" in links  # followed only where a reader clicks
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) - links <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert set(re.findall(r"url\(([^#])", html)) == set()


def test_the_page_is_for_phones_too(html: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    tables = html.count("<table")
    assert tables == len(re.findall(r'<div class="scroll[^>]*tabindex="0">\s*<table', html))


def test_text_of_samples_is_escaped(toy: Results, undrawn: None) -> None:
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
    assert cells == f"good best lstm 1 × 8 {exact} {alike} 1,234 2".split()


def test_what_is_missing_is_said(toy: Results, undrawn: None) -> None:
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
    assert len(blocks) > 12
    for block in blocks:
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in block.strip().splitlines()}
        assert len(widths) == 1, block
    assert "| good (best) | lstm 1 × 8 | 1.320 ± 0.028 |" in text


def test_a_unit_of_nothing_but_space_can_be_seen(toy: Results, undrawn: None) -> None:
    blank = changed(toy, "good", samples=model(toy, "good").samples.assign(attractor="  "))
    assert "<code>␣␣</code>" in page.html(blank)
    assert "| `␣␣` |" in page.markdown(blank)


def test_what_to_know_before_comparing_is_said(toy: Results, undrawn: None) -> None:
    told = changed(toy, "good", remarks=("a <lucky> run", "trained on the first 9 tokens"))
    told = replace(told, sample=params.Sample(train_lines=1200, valid_lines=30))
    html, summary = page.html(told), page.markdown(told)
    assert "<b>good</b>: a &lt;lucky&gt; run; trained on the first 9 tokens." in html
    assert "- good: a <lucky> run; trained on the first 9 tokens." in summary
    assert all(
        "first 1,200 lines of its training text and 30 of its validation text" in text
        for text in (html, summary)
    )
    assert "sample of the corpus" not in page.html(toy)


def test_every_trained_model_has_its_charts_and_lines(html: str) -> None:
    for name in ("good", "poor"):
        assert f'aria-label="Loop rate against reference nats of the strategies, {name}"' in html
        assert f'aria-label="Share of samples that do not loop yet, {name}"' in html
    assert (
        ">greedy</a></b>: 100\N{NO-BREAK SPACE}% (50 to 100\N{NO-BREAK SPACE}%) loop, from "
        "character 6 on, period 4 "
        "(3 of 3\N{NO-BREAK SPACE}samples of 1 net, the same one)" in html
    )
    assert "<b>good</b>, under poor" in html


def test_the_recommended_setting_is_outlined_and_others_are_marked(html: str) -> None:
    row = html[html.index('<table class="heat every">') :]
    row = row[row.index('<tr><th scope="row"><a class="how" href="#is-top_p_0_9"') :]
    good, poor = re.findall(r"<td[^>]*>", row[: row.index("</tr>")])
    assert 'class="outline within"' in good and "outline" not in poor
    assert 'none; nearest:</span> <a class="how" href="#is-top_p_0_9"' in html


def test_baselines_stay_out_of_the_way(html: str) -> None:
    below = html[html.index("<summary>Baselines that count</summary>") :]
    below = below[: below.index("</details>")]
    assert "kneser_ney" in below and "beam_4" not in below and "good" not in below


def test_every_figure_of_a_model_stands_in_its_table(html: str) -> None:
    table = html[html.index('aria-label="Decoding figures of good"') :]
    table = table[: table.index("</table>")]
    heads = re.findall(r'<tr[^>]*><th scope="row">(.*?)</th>', table)
    assert [re.sub(r"<[^>]+>", "", head) for head in heads] == [
        "human", "greedy", "beam_4", "greedy_rep_1_2", "multinomial", "top_p_0_9",
    ]  # fmt: skip
    rows = [
        re.sub(r"<[^>]+>", " ", row)
        for row in re.findall(r"<tr.*?</tr>", table.split("<tbody>")[1], re.S)
    ]
    assert rows[2].split()[-5:] == ["+100", "(+90", "to", "+110)", "0.060"]


def test_the_calibration_is_shown(html: str, toy: Results) -> None:
    section = html[html.index('<section id="calibration">') : html.index('<section id="corpus">')]
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    assert "exact loops 36 of 36 (100 %), with 5 % edited 47 of 48 (98 %)" in words.replace(
        "\xa0", " "
    )
    assert section.count('class="heat small"') == 4
    assert "the hidden state comes back at a fixed period in 6" in words


def test_a_missing_calibration_is_said(toy: Results, undrawn: None) -> None:
    bare = replace(toy, card=None)
    html = page.html(bare)
    Tree(html)
    assert "the detector is not calibrated yet" in html and 'id="calibration"' not in html
    assert "the detector is not calibrated yet" in page.markdown(bare)


def test_without_reference_nats_the_rest_is_shown(toy: Results) -> None:
    for m in toy.models:
        rates = {
            name: r | {"reference_nats": None, "reference_nats_lo": None, "reference_nats_hi": None}
            for name, r in m.rates.items()
        }
        toy = changed(
            toy, m.name, human_nats=(), rates=rates, absent=("reference nats",) if rates else ()
        )
    html = page.html(toy)
    Tree(html)
    assert (
        "<b>good:</b> no reference nats yet" in html
        and "Loop rate against reference nats" not in html
    )
    assert 'id="every"' in html and "Which setting to use?" not in html
    page.markdown(toy)


def test_repetition_while_reading_stands_beside_the_ranking(
    html: str, toy: Results, undrawn: None
) -> None:
    assert html.count("<td>93 %</td><td>42 %</td>") == 4
    assert "| kneser_ney | 93 % | 42 % |" in page.markdown(toy)
    scores = {m.name: {k: v for k, v in m.scores.items() if k != "repetition"} for m in toy.models}
    for name, found in scores.items():
        toy = changed(toy, name, scores=found)
    assert "Repetition while reading" not in page.html(toy)


def test_names_and_units_are_escaped_in_every_section(toy: Results, undrawn: None) -> None:
    samples = model(toy, "good").samples.assign(attractor="<script>", unit="<script>")
    rates = {name.replace("beam_4", "<script>"): r for name, r in model(toy, "good").rates.items()}
    hostile = page.html(changed(toy, "good", samples=samples, rates=rates))
    assert "<script" not in hostile and hostile.count("&lt;script&gt;") > 3


def test_where_samples_reach_eos_the_text_before_it_is_shown_too(
    toy: Results, undrawn: None
) -> None:
    assert "Longer samples</h3>" in page.html(toy) and "reach &lt;eos&gt;" not in page.html(toy)
    ended = model(toy, "good").samples.assign(eos_at=4, stopped_kind="none")
    html = page.html(changed(toy, "good", samples=ended))
    Tree(html)
    row = html[html.index("loop before it") :]
    row = row[row.index('<th scope="row">the likeliest token</th>') :]
    assert re.findall(r"(\d+) %", row[: row.index("</tr>")]) == ["67", "50", "17", "67", "67"]


def test_text_too_short_for_a_human_window_is_no_hindrance(toy: Results, undrawn: None) -> None:
    for m in toy.models:
        if m.rates:
            human = dict.fromkeys(m.rates["human"], None) | {
                "samples": 0,
                "loops": 0,
                "recycling": 0,
            }
            human |= {"published": {}, "certified": {"samples": 0, "certified": 0, "agree": 0}}
            toy = changed(toy, m.name, human_nats=(), rates=m.rates | {"human": human})
    html = page.html(toy)
    Tree(html)
    assert "Human text" not in page.markdown(toy) and "Human text" not in html


def test_the_picture_and_three_sentences_come_first(html: str) -> None:
    top = html[: html.index('<section id="answers"')]
    heads = re.findall(r"<li><b>(.*?)</b>", top)
    assert heads == ["Best model", "Loops", "Recommended"]
    assert top.count("<svg") == 2 and 'class="ramp"' in top and "inside the human band" in top


def test_an_answer_is_short_and_its_reasons_are_behind_more(html: str) -> None:
    """Two lines on a phone have room for about 76 characters."""
    answers = re.findall(r'<span class="answer">(.*?)</span>', html)
    assert len(answers) == 7 and all(len(answer) <= 76 for answer in answers)
    section = html[html.index('<section id="answers"') : html.index('<section id="models"')]
    assert section.count("<details>") == 7 and "open" not in section


def test_a_strategy_leads_to_its_line_with_formula_and_source(html: str) -> None:
    entry = html[html.index('<dt id="is-top_p_0_9">') :]
    words = re.sub(r"<[^>]+>", "", entry[: entry.index("</div>")]).replace("\xa0", " ")
    assert words == (
        "top_p_0_9Drawn from the fewest likeliest characters that hold 90 % of the probability. "
        "the shortest prefix of falling p with sum p ≥ P, Holtzman et al., arXiv 1904.09751."
    )
    assert 'title="Always the likeliest character">greedy</a>' in html


def test_words_that_contain_a_name_are_no_links(toy: Results, undrawn: None) -> None:
    told = changed(toy, "good", remarks=("greedy_rep and non-greedy",))
    assert "greedy_rep and non-greedy." in page.html(told)


def test_without_notebooks_there_is_no_column_of_theirs(toy: Results, html: str) -> None:
    assert "as the notebook" in html and "notebook printed" in html
    scores = model(toy, "good").scores | {"notebook": None, "delta": None}
    alone = page.html(changed(toy, "good", scores=scores))
    Tree(alone)
    assert "notebook" not in re.sub(r"<style>.*?</style>", "", alone, flags=re.S)


def test_the_foot_names_command_and_code(project: Path, html: str) -> None:
    assert "recurrence repro report@toy" in html and "data/code.json" not in html
    (project / "data/code.json").write_text('{"report": {"toy": "0f1e"}}', encoding="utf-8")
    foot = page.html(load("toy"))
    assert "<code>0f1e</code> (<code>report.toy</code>" in foot
