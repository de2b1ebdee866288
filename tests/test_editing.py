"""Blocks are put into a params file, and everything else in it stays as it is, as DVC writes it."""

from pathlib import Path

import pytest
import yaml

import params_file as dvc
from recurrence import params
from recurrence.corpora import starting
from recurrence.errors import RecurrenceError
from recurrence.params.editing import with_blocks

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
SEEN = starting.Look(characters=100_000, tokens=100_000, lines=900, has_parts=False)


def started(unit: str = "char", seen: starting.Look = SEEN) -> dict[str, str]:
    source = {"kind": "files", "addresses": ["texts/poems"], "field": "a.b"}
    tokens = {"unit": unit} | ({"subwords": "bpe"} if unit == "subword" else {})
    return starting.blocks("poems", source, tokens, seen, few="few")


@pytest.mark.parametrize("unit", ["char", "word", "subword"])
@pytest.mark.parametrize("size", [40, 5_000, 100_000, 300_000_000])
def test_the_blocks_of_a_text_of_any_size_are_valid(unit: str, size: int) -> None:
    seen = starting.Look(size, size, size // 80, has_parts=size == 5_000)
    loaded = params.parse(with_blocks(TEXT, started(unit, seen)))
    assert loaded.corpora["poems"].tokens.unit == unit
    assert loaded.models["poems-lstm"].recipe is not None
    assert loaded.models["poems-kneser_ney"].recipe is None
    assert loaded.sampling["poems-lstm"].reference == "kneser_ney"
    assert (loaded.corpora["poems"].sample is not None) == (size > starting.LARGE)


def test_every_line_that_was_there_stays() -> None:
    lines = iter(with_blocks(TEXT, started()).splitlines())
    assert all(any(line == other for other in lines) for line in TEXT.splitlines())


def test_comments_stand_before_what_they_are_of() -> None:
    text = with_blocks(TEXT, started())
    for title in ("# How models with gradients", "# Which models are sampled", "# How much is"):
        assert f"\n\n{title}" in text


def test_it_is_laid_out_as_dvc_writes_it(tmp_path: Path) -> None:
    """So that `dvc exp run -S` on a key of it, or any other, changes one line."""
    text = with_blocks(TEXT, started())
    leaves = list(dvc.leaves(dvc.read(text)))
    assert dvc.overridden(text, *leaves[0], tmp_path) == text
    ours = [each for each in leaves if "poems" in str(each[0][1])]
    assert len(ours) > 20
    place, value = ours[3]
    after = dvc.overridden(text, place, dvc.another(value), tmp_path)
    pairs = zip(text.splitlines(), after.splitlines(), strict=True)
    assert sum(one != other for one, other in pairs) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a:\n  x: 1\nb:\n  y: 2\n", "a:\n  x: 1\n  new: {}\nb:\n  y: 2\n"),
        ("a:\n  x: 1\n\n# of b\nb: 2\n", "a:\n  x: 1\n  new: {}\n\n# of b\nb: 2\n"),
        ("a:\n    x: 1  # why\nb: 2", "a:\n    x: 1  # why\n    new: {}\nb: 2\n"),
        ("a: {}\nb: 2\n", "a:\n  new: {}\nb: 2\n"),
        ("a:\nb: 2\n", "a:\n  new: {}\nb: 2\n"),
        ("b: 2\n", "b: 2\n\na:\n  new: {}\n"),
        ("a:\n  x:\n  - 1\n  - 2\nb: 2\n", "a:\n  x:\n  - 1\n  - 2\n  new: {}\nb: 2\n"),
        ("a:\n  x: {y:\n    1}\nb: 2\n", "a:\n  x: {y:\n    1}\n  new: {}\nb: 2\n"),
        ("a:\n  x: |\n    text\n    more\nb: 2\n", "a:\n  x: |\n    text\n    more\n  new: {}\nb: 2\n"),
        ("a:\n  x:\nb: 2\n", "a:\n  x:\n  new: {}\nb: 2\n"),
    ],
)  # fmt: skip
def test_the_end_of_a_section(before: str, after: str) -> None:
    assert with_blocks(before, {"a": "new: {}"}) == after
    assert yaml.safe_load(after)["a"]["new"] == {}


def test_a_section_in_braces_is_refused() -> None:
    with pytest.raises(RecurrenceError, match="a: must be written a line for each block"):
        with_blocks("a: {x: 1}\n", {"a": "new: {}"})
