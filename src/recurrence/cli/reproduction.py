"""`dvc repro --keep-going`, and at its end what ran, what was restored, what failed and how to mend it."""

import json
import logging
import os
import re
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import ERRORS

# What dvc says of a stage -> the heading it belongs under.
HEADINGS = {
    "Running stage": "ran",
    "is cached": "restored",
    "didn't change": "up to date",
    "failed to reproduce": "failed",
    "will be skipped": "left out",
}
NAMES_SHOWN = 8


class Tally(logging.Handler):
    """Listens to dvc and sorts the stages that it names; dvc itself prints as ever."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: dict[str, list[str]] = {heading: [] for heading in HEADINGS.values()}

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.exc_info:
            said += str(record.exc_info[1])
        for words, heading in HEADINGS.items():
            if words in said:
                named = re.findall(r"'([^'@ ]+@[^' ]+)'", said)
                self.stages[heading] = list(dict.fromkeys(self.stages[heading] + named))


def run(targets: list[str]) -> int:
    """Reproduce the targets (none: everything), print the summary, and return dvc's exit code."""
    try:
        from dvc.cli import main
    except ImportError as error:
        raise RecurrenceError("dvc is not installed; pip install 'recurrence[pipeline]' (make run does)") from error
    os.chdir(paths.root())
    here = str(Path(sys.executable).parent)  # dvc.yaml says `python`, and means this one
    os.environ["PATH"] = os.pathsep.join((here, os.environ.get("PATH", "")))
    tally = Tally()
    logging.getLogger("dvc").addHandler(tally)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "errors.jsonl"
        os.environ[ERRORS] = str(errors)
        code = int(main(["repro", "--keep-going", *targets]))
        reasons = _reasons(errors)
    print("\n".join(summary(tally.stages, reasons, code)))
    print(f"in {timedelta(seconds=round(time.monotonic() - started))}")
    return code


def summary(stages: dict[str, list[str]], reasons: dict[str, str], code: int) -> list[str]:
    """The lines of the summary, from the stages under each heading and what the failed ones said."""
    stages = {**stages, "ran": [name for name in stages["ran"] if name not in stages["failed"]]}
    lines = [""]
    for heading in ("ran", "restored", "up to date", "left out"):
        names = stages[heading]
        shown = ", ".join(names) if len(names) <= NAMES_SHOWN and heading != "up to date" else ""
        lines.append(f"{heading:<11}{len(names):>4}  {shown}".rstrip())
    lines.append(f"{'failed':<11}{len(stages['failed']):>4}")
    for name in stages["failed"]:
        lines.append(f"  {name}: {reasons.get(name, 'see what it said above')}")
    if stages["failed"]:
        lines.append(f"Mend that, then: recurrence repro {' '.join(stages['failed'])} (or everything: make repro)")
    elif code:
        lines.append(f"dvc ended with {code}; it says why above")
    return lines


def _reasons(errors: Path) -> dict[str, str]:
    """What stages that failed said to people, by stage."""
    if not errors.exists():
        return {}
    return dict(json.loads(line) for line in errors.read_text(encoding="utf-8").splitlines())
