"""docs/detector.md says what is there: its examples run, its options exist, its fields are those of
a row.
"""

import re
from pathlib import Path

import pytest

from recurrence.scan.findings import FIELDS
from recurrence.scan.names import TEXTS, TOKENS
from small_project import Cli

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "detector.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_examples_run(block: str) -> None:
    exec(compile(block, "detector.md", "exec"), {})


def test_the_options_are_those_of_the_command(recurrence: Cli) -> None:
    _, told, _ = recurrence("loops", "--help")
    section = PAGE[PAGE.index("## The command") : PAGE.index("## In Python")]
    options = set(re.findall(r"--[a-z][a-z-]+", section))
    assert len(options) > 15
    assert not {option for option in options if option not in told}
    table = set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))
    assert {"--floor", "--identity", "--pad", "--field", "--jobs", "--strict"} <= table


def test_the_names_are_those_that_are_found() -> None:
    found, tokens = re.search(
        r"first that has a text: `([^`]+)`.*?tokens: `([^`]+)`", PAGE, re.DOTALL
    ).groups()  # type: ignore[union-attr]
    assert set(found.split()) <= set(TEXTS)
    assert set(tokens.split()) <= set(TOKENS)
    fields = re.search(r"row per sample: `([^`]+)`", PAGE)[1]  # type: ignore[index]
    assert set(fields.replace(" ...", "").split()) <= set(FIELDS)


def test_the_extras_are_those_of_the_distribution() -> None:
    import tomllib

    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    page = (DOCS / "install.md").read_text(encoding="utf-8")
    extras = project["project"]["optional-dependencies"]
    table = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`([\w]+)`", cell)}
    assert named >= set(extras)
