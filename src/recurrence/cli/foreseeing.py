"""`recurrence repro --dry`: which stages would run, why, and how long they took the last time.
Nothing is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from recurrence import digests, files, machine, params, paths
from recurrence.errors import RecurrenceError

MOST_NAMED = 2
"""Files that are named as the reason for a stage."""


@dataclass(frozen=True)
class Due:
    """A stage that would run."""

    name: str
    why: str
    is_certain: bool
    """Else it runs only if what it needs comes out otherwise than before."""
    seconds: float | None
    """What its last run took; None where nothing is known of one."""


def foreseen(targets: list[str]) -> list[str]:
    """What would be done for the targets (none: everything), in words."""
    due, total = _due(targets)
    if not due:
        return [f"nothing would run: {total} stages are up to date"]
    width = max(len(each.name) for each in due)
    lines = [
        f"{each.name:<{width}}  {_took(each.seconds):>9}  "
        f"{'' if each.is_certain else 'perhaps: '}{each.why}"
        for each in due
    ]
    return [*lines, *_summary(due, total)]


def _summary(due: list[Due], total: int) -> list[str]:
    certain = [each for each in due if each.is_certain]
    known = [each.seconds for each in due if each.seconds is not None]
    lines = [
        "",
        f"would run: {len(certain)} of {total} stages; {len(due) - len(certain)} more only if "
        f"what they "
        "need comes out otherwise than before. What dvc has in its cache is restored and not run",
    ]
    if known:
        lines.append(
            f"the last runs of {len(known)} of these took {_took(sum(known))} in all, one after "
            f"the other"
        )
    if unknown := len(due) - len(known):
        lines.append(f"how long {unknown} take is not known (no row in reports/CORPUS/machine.csv)")
    return lines


def _took(seconds: float | None) -> str:
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))


def _due(targets: list[str]) -> tuple[list[Due], int]:
    """The stages that would run, in an order in which they could, and how many were looked at."""
    try:
        from recurrence.repro.dvc_session import DvcSession
    except ImportError as error:
        raise RecurrenceError(
            "dvc is not installed; pip install 'recurrence-lab[lab]' (make run does)"
        ) from error
    root = paths.root()
    session = DvcSession(root, _launches_nothing)
    needs = session.plan(targets)
    made = _digests(root)
    found: dict[str, Due] = {}
    for name, needed in needs.items():
        why = _why(session.status(name), session.recorded(name), name, made)
        after = [each for each in needed if each in found and each != DIGEST]
        if why or after:
            reason = why or f"it needs {_named(after)}"
            found[name] = Due(name, reason, bool(why), _seconds(name))
    return list(found.values()), len(needs)


DIGEST = "digest@code"


def _launches_nothing(_: Any) -> None:
    raise AssertionError("a dry run starts no stage")


def _digests(root: Path) -> dict[str, dict[str, str]]:
    """What the stage `digest` would write now."""
    stages = yaml.safe_load(files.read_text(root / "dvc.yaml"))["stages"]
    return digests.digests(digests.PACKAGE, stages, params.load(), root)


def _why(
    status: list[Any], recorded: Mapping[str, Any], name: str, made: Mapping[str, Mapping[str, str]]
) -> str:
    """Why dvc would run a stage; empty where it would not, as far as the stage itself goes."""
    stage, _, key = name.partition("@")
    now = made.get(stage, {}).get(key)
    if now is not None and f"{stage}.{key}" not in recorded:
        return "it never ran here"
    if now is not None and now != recorded[f"{stage}.{key}"]:
        return "its code, or a value of params.yaml that it reads, changed"
    if "always changed" in status:
        return "it runs every time"
    changes = [each for each in status if isinstance(each, dict)]
    outs = [place for each in changes for place in each.get("changed outs", {})]
    if outs:
        return f"not here, or not as it was made: {_named(outs)}"
    deps = [
        place
        for each in changes
        for place, how in each.get("changed deps", {}).items()
        if how == "modified"
    ]
    if deps:
        return f"changed: {_named(deps)}"
    words = [each for each in status if isinstance(each, str)]
    return words[0] if words else ""


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _seconds(name: str) -> float | None:
    stage, _, key = name.partition("@")
    return machine.seconds(key.partition("-")[0], stage, key)
