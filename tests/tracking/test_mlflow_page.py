"""docs/mlflow.md says what is there."""

import re
from pathlib import Path

from recurrence.tracking import notes, settings, tags

PAGE = (Path(__file__).parents[2] / "docs/mlflow.md").read_text(encoding="utf-8")


def test_the_page_has_every_table() -> None:
    assert re.findall(r"^\| (\w+) \|", PAGE, re.M)[1:] == list(notes.VIEWS)


def test_the_page_has_the_filter_of_what_was() -> None:
    assert f"\ntags.`{tags.STATE}` = '{tags.SUPERSEDED}'\n" in PAGE
    assert f"`{tags.EXPERIMENTS}`" in PAGE
    assert f"{settings.MAX_PARAM_CHARACTERS:,} characters" in PAGE
