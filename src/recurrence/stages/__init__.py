"""The stages of dvc.yaml, one file each: read, call, write. `run` is their common entry."""

import os
import sys
from collections.abc import Callable

from recurrence.errors import RecurrenceError
from recurrence.processes import die_with_parent


def run(stage: Callable[[str], None]) -> None:
    """Call a stage with the key on the command line; an error meant for people ends it with exit code 2.

    Started by dvc, it does not outlive dvc: the next run must not meet a writer of the same files.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {stage.__module__} KEY    (a key of params.yaml)")
    if "DVC_STAGE" in os.environ:
        die_with_parent()
    try:
        stage(sys.argv[1])
    except RecurrenceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
