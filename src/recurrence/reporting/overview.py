"""All corpora on one page, reports/index.html, from the tables of their reports: `python -m
recurrence.reporting.overview`.

In: models.csv and decoding.csv of every report folder there is. Out: a page. No corpus's own page
depends on it or on another corpus, and no stage of dvc.yaml has it as an output: `report` writes it
anew each time that it ends, from whatever reports lie beside its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from recurrence import files, params, paths
from recurrence.locks import only_writer
from recurrence.reporting import drawing, page
from recurrence.reporting.drawing import Chart
from recurrence.reporting.grid import NARROW, WIDE, Layout, Line, Mark, grid
from recurrence.results.corpus import FAMILIES, HUMAN
from recurrence.results.formats import absent, rated, short, spread

TABLES = ("models.csv", "decoding.csv")
NEEDED = (
    {"model", "exact_nats", "as_notebook_nats", "bits_per_char", "recommended"},
    {"model", "strategy", "family", "human_place", "samples", "exact", "near"},
)
"""Columns of these, as an older version did not have all of them."""


@dataclass(frozen=True)
class Corpus:
    """What the tables of one report say."""

    name: str
    best: dict[Any, Any]
    """The row of the trained model of the least exact nats."""
    trained: int
    decoding: pd.DataFrame
    """The rows of trained models, without human text."""

    @property
    def marks(self) -> dict[str, Mark]:
        """By strategy, over the samples of all trained models; inside where most of the models
        are.
        """
        found = {}
        for strategy, rows in self.decoding.groupby("strategy", sort=False):
            rate = (rows["exact"] + rows["near"]).sum() / rows["samples"].sum()
            inside = (rows["human_place"] == "within").mean() > 0.5
            found[str(strategy)] = Mark(float(rate), bool(inside))
        return found


def write() -> None:
    """The page, from the reports that there are, in the order of params.yaml; where there is none,
    no page.

    One at a time: of two reports that end together the later one sees both.
    """
    with only_writer("overview", "all"):
        found = [corpus for name in params.load().corpora if (corpus := read(paths.report(name)))]
        if found:
            files.write_text(paths.overview(), html(found))


def read(folder: Path) -> Corpus | None:
    """One report; None where it is not whole or somebody edited it, or where it has no trained
    model.
    """
    try:
        models, decoding = (pd.read_csv(folder / name) for name in TABLES)
    except (OSError, ValueError):
        return None
    if not NEEDED[0] <= set(models) or not NEEDED[1] <= set(decoding):
        return None
    trained = models[models["as_notebook_nats"].notna()]  # a baseline that counts has no training
    if not len(trained):
        return None
    own = decoding["model"].isin(trained["model"]) & (decoding["strategy"] != HUMAN)
    best = trained.iloc[int(trained["exact_nats"].argmin())].to_dict()
    return Corpus(folder.name, best, len(trained), decoding[own])


def html(corpora: list[Corpus]) -> str:
    """The whole page: style and charts inside it, no script, no request to anywhere."""
    charts = {
        name: _svg(picture(corpora, layout), name)
        for name, layout in (("wide", WIDE), ("narrow", NARROW))
    }
    return page.rendered("overview.html", {"rows": list(map(_row, corpora)), "charts": charts})


def _svg(chart: Chart | None, name: str) -> Markup | None:
    label = "Loop rate of the corpora's models under the strategies; dots: inside the human band"
    return None if chart is None else Markup(drawing.inline(chart, name, label))


def picture(corpora: list[Corpus], layout: Layout) -> Chart | None:
    """Loop rate of every corpus's trained models under every strategy; None where nothing was
    sampled.
    """
    sampled = [corpus for corpus in corpora if len(corpus.decoding)]
    families = {
        str(row["strategy"]): str(row["family"])
        for corpus in sampled
        for row in corpus.decoding.to_dict("records")
    }
    columns = dict(sorted(families.items(), key=lambda item: list(FAMILIES).index(item[1])))
    if not columns:
        return None
    lines = [
        Line(corpus.name, short(corpus.best["bits_per_char"]), corpus.marks) for corpus in sampled
    ]
    return grid(lines, columns, "bits", layout)


def _row(corpus: Corpus) -> dict[str, str]:
    best = corpus.best
    return {
        "corpus": corpus.name,
        "models": str(corpus.trained),
        "best": str(best["model"]),
        "nats": spread(best["exact_nats"], best["exact_nats_sd"]),
        "bits": short(best["bits_per_char"]),
        **{f"{name}_loops": rate for name, rate in _plain(best)},
        "use": "–" if absent(best["recommended"]) else str(best["recommended"]),
    }


def _plain(best: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for name in ("greedy", "sampling"):
        yield name, rated(*(best[f"{name}_loop_{end}"] for end in ("rate", "lo", "hi")))


if __name__ == "__main__":
    write()
