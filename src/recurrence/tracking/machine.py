"""What is known of the machine that trained a model: figures to look at, in no digest of
results.
"""

from typing import Any

from recurrence import machine


def machine_of(corpus: str, name: str) -> dict[str, Any]:
    """started, train_seconds, device, torch, ... as far as they are written down; empty where
    nothing is.
    """
    row = machine.row(corpus, "train", f"{corpus}-{name}")
    if row is None:
        return {}
    numerics = f"{row['numerics']} numerics" if row["numerics"] else ""
    where = [row["device"] or "cpu", row["processor"], numerics]
    facts: dict[str, Any] = {"device": ", ".join(part for part in where if part)}
    facts |= {each: row[each] for each in ("started", "torch", "python") if row[each]}
    for column, figure in {
        "seconds": "train_seconds",
        "tokens_per_second": "tokens_per_second",
    }.items():
        if row[column]:
            facts[figure] = float(row[column])
    return facts
