"""What differs by nature: how long each stage took, and on which machine. One file per corpus,
which no digest covers.

Comes in: a stage that runs, and the facts that it notes on its way. Goes out: its row of
`reports/<corpus>/machine.csv`, in the place of the row that the same stage wrote before.
"""

import csv
import fcntl
import io
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from recurrence import files, params, paths
from recurrence.console import say
from recurrence.errors import RecurrenceError

COLUMNS = (
    "stage",
    "key",
    "seconds",
    "processor",
    "threads",
    "device",
    "numerics",
    "torch",
    "python",
    "tokens_per_second",
    "started",
    "remarks",
)

Row = dict[str, str]

_noted: dict[str, Any] = {}


def note(**facts: Any) -> None:
    """Say something of this run that belongs into its row: any of COLUMNS."""
    _noted.update(facts)


@contextmanager
def recorded(stage: str, key: str) -> Iterator[None]:
    """Within it a stage runs; its row is written where it ends well.

    A row that cannot be written is said and done without: the results are there. Of several
    processes that train together the first one writes.
    """
    _noted.clear()
    began = time.monotonic()
    yield
    if os.environ.get("RANK", "0") != "0":
        return
    corpus = key.partition("-")[0]
    if corpus not in params.load().corpora:  # a stage of all corpora has no report to stand in
        return
    facts = {"seconds": time.monotonic() - began} | _noted
    try:
        put(corpus, _row(stage, key, facts))
    except (OSError, RecurrenceError) as error:
        say(f"{stage}@{key}: its time is not recorded ({error})")


def _row(stage: str, key: str, facts: Mapping[str, Any]) -> Row:
    seconds = float(facts["seconds"])
    started = datetime.now(UTC) - timedelta(seconds=seconds)
    own = {
        "stage": stage,
        "key": key,
        "processor": processor(),
        "python": platform.python_version(),
        "started": started.isoformat(timespec="seconds"),
    }
    whole = {**own, **facts} | {"seconds": f"{seconds:.2f}"}
    return {column: str(whole.get(column, "")) for column in COLUMNS}


def put(corpus: str, row: Row) -> None:
    """Write a row; whatever stages of the same corpus end meanwhile, none is lost."""
    path = paths.machine(corpus)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        kept = {(each["stage"], each["key"]): each for each in rows(corpus)}
        kept[row["stage"], row["key"]] = row
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept[name] for name in sorted(kept))
        files.write_text(path, text.getvalue())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which is the system's and ends with its holder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def rows(corpus: str) -> list[Row]:
    """The rows there are; lines that are none (somebody edited the file) are left out."""
    with suppress(OSError, UnicodeDecodeError, csv.Error):
        text = paths.machine(corpus).read_text(encoding="utf-8")
        table = list(csv.DictReader(io.StringIO(text)))
        return [
            {column: each.get(column) or "" for column in COLUMNS}
            for each in table
            if each.get("stage") and each.get("key")
        ]
    return []


def row(corpus: str, stage: str, key: str) -> Row | None:
    """What is known of the last run of a stage; None where nothing is."""
    wanted = (stage, key)
    return next((each for each in rows(corpus) if (each["stage"], each["key"]) == wanted), None)


def seconds(corpus: str, stage: str, key: str) -> float | None:
    """How long the last run of a stage took."""
    found = row(corpus, stage, key)
    try:
        value = float(found["seconds"]) if found else 0.0
    except ValueError:  # somebody edited it
        return None
    return value if value > 0 else None


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
