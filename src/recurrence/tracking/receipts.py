"""Receipts of imports, held against the store that they are of."""

import json
from collections.abc import Mapping
from typing import Any

from recurrence import paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.tracking import patience, standing, store
from recurrence.tracking.place import Place, home, place

SERVER_S = 15.0
"""How long a server may take to say what it holds."""


def gap(corpus: str) -> str:
    """What MLflow lacks of what the receipt of a corpus says, in a few words; empty where nothing,
    or no receipt.

    A store that is just being written, and a server that does not answer, are left for the next
    time.
    """
    receipt = paths.receipt(corpus)
    if not receipt.exists():
        return ""
    try:
        wanted = dict(json.loads(receipt.read_text(encoding="utf-8"))["models"])
        at = place(home())
        if at.database is None:
            return _gap_elsewhere(at, corpus, wanted)
        with store.if_free(at) as is_free:
            return standing.gap(at, corpus, wanted) if is_free else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, RecurrenceError):
            return str(error)
        return f"{receipt}: not a receipt"


def _gap_elsewhere(at: Place, corpus: str, wanted: Mapping[str, Any]) -> str:
    """The same of a server or another database: what runs it has; artifacts are not looked at."""
    try:
        with patience.patient(seconds=SERVER_S):
            client = store.client(at)
            found = client.get_experiment_by_name(corpus)
            held = standing.runs_of(client, found.experiment_id) if found else []
    except Exception as error:  # an answer may be anything
        say(f"MLflow at {at.shown}: {type(error).__name__}: not asked whether it holds {corpus}")
        return ""
    lost = [model for model, of in wanted.items() if not standing.whole(held, **of)]
    return f"{at.shown} has no whole run of {lost[0]}" if lost else ""


def complaints() -> list[str]:
    """A line for each receipt that the store does not bear out, and one if it lies elsewhere than
    it says.
    """
    at = place(home())
    lines = []
    if standing.is_moved(at):
        lines.append(
            f"{at.database}: moved or copied: it points to artifacts of another folder; "
            "`recurrence ui` or `recurrence repro` mends that"
        )
    for receipt in sorted((paths.mlflow() / "receipts").glob("*.json")):
        if reason := gap(receipt.stem):
            lines.append(f"MLflow: {receipt.stem}: {reason}; `recurrence repro` tracks it anew")
    return lines
