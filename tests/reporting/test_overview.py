import re
from pathlib import Path

import pandas as pd
import yaml

from recurrence import paths
from recurrence.reporting import overview
from recurrence.stages import report
from reporting import results_tree
from reporting.test_page import Tree


def both(project: Path) -> str:
    """The page of two corpora that have the same results."""
    given = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    results_tree.build(project, "other")
    more = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    for blocks in ("corpora", "models", "sampling"):
        given[blocks] |= more[blocks]
    (project / "params.yaml").write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    report.main("toy")
    report.main("other")
    return paths.overview().read_text(encoding="utf-8")


def test_every_corpus_is_a_row_that_leads_to_its_page(project: Path) -> None:
    text = both(project)
    tree = Tree(text)
    assert len(tree.ids) == len(set(tree.ids))
    rows = re.findall(r'<tr><th scope="row"><a href="(.*?)">(.*?)</a></th>(.*?)</tr>', text)
    assert [(place, name) for place, name, _ in rows] == [
        ("toy/index.html", "toy"),
        ("other/index.html", "other"),
    ]
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td.*?</td>", rows[0][2])]
    assert cells[:4] == ["2", "good", "1.320 ± 0.028", "1.90"] and cells[-1] == "top_p_0_9"
    assert "<script" not in text and "http" not in re.sub(r"http://www\.w3\.org\S+", "", text)


def test_a_corpus_page_does_not_depend_on_another_corpus(project: Path) -> None:
    report.main("toy")
    alone = (paths.report("toy") / "index.html").read_bytes()
    both(project)
    assert (paths.report("toy") / "index.html").read_bytes() == alone


def test_a_cell_is_of_the_samples_of_all_trained_models(project: Path) -> None:
    report.main("toy")
    found = overview.read(paths.report("toy"))
    assert found is not None
    assert found.marks["greedy"].rate == 4 / 6
    assert {name for name, mark in found.marks.items() if mark.inside} == {"top_p_0_9"}


def test_a_report_that_is_not_whole_or_not_ours_is_left_out(project: Path) -> None:
    report.main("toy")
    folder = paths.report("toy")
    decoding = pd.read_csv(folder / "decoding.csv")
    decoding.drop(columns="human_place").to_csv(folder / "decoding.csv", index=False)
    assert overview.read(folder) is None
    (folder / "decoding.csv").write_text("", encoding="utf-8")
    assert overview.read(folder) is None
    paths.overview().unlink()
    overview.write()
    assert not paths.overview().exists()


def test_a_corpus_that_was_not_sampled_has_a_row_and_no_picture(project: Path) -> None:
    for name in ("good", "poor", "kneser_ney"):
        paths.rates("toy", name).unlink()
    report.main("toy")
    text = paths.overview().read_text(encoding="utf-8")
    Tree(text)
    assert "toy/index.html" in text and "<svg" not in text
