"""The stages of dvc.yaml, one file each: read, call, write. `run` is their common entry."""

import json
import os
import sys
from collections.abc import Callable

from recurrence.errors import RecurrenceError

ERRORS = "RECURRENCE_ERRORS"
"""Names a file for the errors of failed stages, a JSON line [stage, message] each; `recurrence repro` sums them up."""


def run(stage: Callable[[str], None]) -> None:
    """Call a stage with the key on the command line; an error meant for people ends it with exit code 2."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {stage.__module__} KEY    (a key of params.yaml)")
    try:
        stage(sys.argv[1])
    except RecurrenceError as error:
        print(f"error: {error}", file=sys.stderr)
        if listed := os.environ.get(ERRORS):
            with open(listed, "a", encoding="utf-8") as file:
                file.write(json.dumps([os.environ.get("DVC_STAGE"), str(error)]) + "\n")
        sys.exit(error.exit_code)
