"""What is known of the machine that trained a model: figures to look at, in no digest of results."""

import csv
from typing import Any

from recurrence import paths
from recurrence.files import read_json

NUMBERS = ("train_seconds", "tokens_per_second")


def machine_of(corpus: str, name: str) -> dict[str, Any]:
    """started, train_seconds, device, torch, ... as far as they are written down; empty where nothing is."""
    table = paths.report(corpus) / "machine.csv"
    if table.is_file():
        with table.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                if row.get("model") == name:
                    return _typed(row)
    wall = paths.wall(corpus, name)
    return dict(read_json(wall)) if wall.is_file() else {}


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """The cells that say something; those of NUMBERS as numbers."""
    said = {key: value for key, value in row.items() if value}
    return {key: float(value) if key in NUMBERS else value for key, value in said.items()}
