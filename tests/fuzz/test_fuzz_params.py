"""Params files that are almost right, and some that are far from it: read, or refused in words."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzzing import changed, damaged, few, many, refused_or_done
from hypothesis import given
from hypothesis import strategies as st

from recurrence import params
from recurrence.cli.pipeline import validate

FILE = Path(__file__).parents[2] / "params.yaml"
KEYS = ["human_numbers", "imdb"]
KEYS += [
    f"human_numbers-{name}" for name in ("lm1", "lm2", "lm7", "lm7_ar_tar", "uniform", "unigram")
]
KEYS += [f"imdb-{name}" for name in ("awd_lstm", "uniform", "unigram", "kneser_ney")]


def smaller() -> dict[str, Any]:
    """The project's own params with two of its corpora and all of its strategies."""
    tree: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for section in ("corpora", "models", "sampling"):
        tree[section] = {k: block for k, block in tree[section].items() if k in KEYS}
    return tree


TREE = smaller()


def written(tree: Any) -> str:
    text = yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return str(text)


TEXT = written(TREE)
JUNK = [
    *(
        "&a ",
        "*a",
        "<<: ",
        "!!python/object ",
        "!x ",
        "? ",
        "- ",
        ": ",
        "[",
        "{",
        "}",
        "]",
        "|\n",
        ">-\n",
    ),
    *(
        "\t",
        "\0",
        "\x07",
        "\u2028",
        "\ufeff",
        "%YAML 9.9\n",
        "---\n",
        "...\n",
        "#",
        '"',
        "'",
        "- " * 60,
    ),
    *("[" * 500, "9" * 5000, "2020-99-99", "!!binary x", "\ud800", "\x85"),
]


def read(text: str) -> None:
    """As `recurrence check` does it."""
    loaded = refused_or_done(lambda: params.parse(text))
    if loaded is not None:
        refused_or_done(lambda: validate(loaded))


@st.composite
def texts(draw: st.DrawFn) -> str:
    text = TEXT
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(JUNK)) + text[at + draw(st.integers(0, 3)) :]
    return text


trees = changed(TREE).map(written)
cut = damaged(TEXT.encode()).map(lambda raw: raw.decode(errors="replace"))
files = trees | trees | texts() | cut


def test_the_file_itself_is_read() -> None:
    validate(params.parse(TEXT))


@few
@given(files)
def test_a_params_file_is_read_or_refused(text: str) -> None:
    read(text)


@pytest.mark.nightly
@many
@given(files)
def test_a_params_file_is_read_or_refused_for_minutes(text: str) -> None:
    read(text)
