"""Figures of two reports: which are the same, which moved within their intervals, which beyond
them.
"""

import math
from pathlib import Path

import pytest

from recurrence.results.comparison import Change, Figure, Name, compare, figures
from recurrence.results.places import Folder

MODELS = "model,seeds,exact_nats,exact_nats_sd\nrnn,{seeds},{nats},{sd}\n"
DECODING = (
    "model,strategy,loop_rate,loop_lo,loop_hi,price,reference_nats_lo,reference_nats_hi\n{rows}"
)
NAME = Name("toy", "rnn", "greedy", "loop_rate")


def report(
    root: Path, rows: str, nats: float = 1.5, sd: float | str = 0.1, seeds: int = 3
) -> Folder:
    folder = root / "reports/toy"
    folder.mkdir(parents=True)
    (folder / "models.csv").write_text(MODELS.format(seeds=seeds, nats=nats, sd=sd))
    (folder / "decoding.csv").write_text(DECODING.format(rows=rows))
    return Folder(root.name, root)


def test_a_rate_comes_with_the_bounds_that_its_report_gives(tmp_path: Path) -> None:
    place = report(tmp_path, "rnn,greedy,0.5,0.3,0.7,,,\n")
    assert figures(place, "toy")[NAME] == Figure(0.5, 0.3, 0.7)


def test_a_loss_has_students_interval_over_nets(tmp_path: Path) -> None:
    """By hand: t(.975, 2) = 4.30265, so the half is 4.30265 * 0.1 / sqrt(3) = 0.24841."""
    found = figures(report(tmp_path, "", nats=1.5, sd=0.1, seeds=3), "toy")
    loss = found[Name("toy", "rnn", "", "exact_nats")]
    assert (loss.low, loss.high) == pytest.approx((1.25159, 1.74841), abs=1e-5)


def test_the_loss_of_one_net_has_no_interval(tmp_path: Path) -> None:
    found = figures(report(tmp_path, "", sd="", seeds=1), "toy")
    assert not found[Name("toy", "rnn", "", "exact_nats")].has_interval


def test_a_corpus_without_a_report_has_no_figures(tmp_path: Path) -> None:
    assert figures(Folder("here", tmp_path), "toy") == {}


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (Figure(0.5, 0.3, 0.7), Figure(0.5, 0.1, 0.9), "same"),
        (Figure(0.123456, 0, 1), Figure(0.12345604, 0, 1), "same"),  # in the six digits kept
        (Figure(0.5, 0.3, 0.7), Figure(0.6, 0.4, 0.8), "within"),
        (Figure(0.5, 0.3, 0.7), Figure(0.9, 0.7, 1.0), "within"),  # one point in common
        (Figure(0.5, 0.3, 0.7), Figure(0.9, 0.71, 1.0), "beyond"),
        (Figure(0.9, 0.71, 1.0), Figure(0.5, 0.3, 0.7), "beyond"),
        (Figure(0.5), Figure(0.6, 0.4, 0.8), "no interval"),
        (Figure(math.nan), Figure(math.nan), "same"),
        (None, Figure(0.5), "new"),
        (Figure(0.5), None, "gone"),
    ],
)
def test_what_became_of_a_figure(before: Figure | None, after: Figure | None, verdict: str) -> None:
    assert Change(NAME, before, after).verdict == verdict


def test_inside_is_inside_the_interval_before() -> None:
    narrow, wide = Figure(0.5, 0.45, 0.55), Figure(0.6, 0.4, 0.8)
    assert not Change(NAME, narrow, wide).is_inside
    assert Change(NAME, wide, narrow).is_inside


def test_reports_are_compared_figure_by_figure(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one = report(tmp_path / "one", "rnn,greedy,1,0.9,1,,,\nrnn,old,0,0,0.1,,,\n")
    other = report(tmp_path / "other", "rnn,greedy,0.2,0.1,0.3,,,\nrnn,new,0,0,0.1,,,\n")
    found = {c.name.strategy: c.verdict for c in compare(one, other, ["toy"])}
    assert found == {"": "same", "greedy": "beyond", "old": "gone", "new": "new"}
