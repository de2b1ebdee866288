"""Run one stage: `python -m recurrence.stages VERB [KEY]`.

dvc starts it without a key, so that no text of params.yaml is ever part of a shell's command line; what it is to work on
stands in DVC_STAGE then, as verb@key. An error meant for people ends it with exit code 2.
"""

import importlib
import os
import sys

from recurrence import checkout, machine, numerics
from recurrence.errors import RecurrenceError
from recurrence.processes import die_with_parent, end_at_once

USAGE = "usage: python -m recurrence.stages VERB KEY    (a stage of dvc.yaml, a key of params.yaml)"


def main(arguments: list[str]) -> None:
    """Run the stage that the arguments, or dvc, name. Exits with 2 and a line on stderr where that cannot be done.

    Started by dvc, it does not outlive dvc: the next run must not meet a writer of the same files.
    """
    by_dvc = os.environ.get("DVC_STAGE", "")
    if by_dvc:
        die_with_parent()
    verb, key = asked(arguments, by_dvc)
    try:
        checkout.insist(["-m", "recurrence.stages", *arguments])
        numerics.prepare(verb, key)
        stage = importlib.import_module(f"recurrence.stages.{verb}")
        if verb == "train":
            end_at_once()
        with machine.recorded(verb, key):
            stage.main(key)
    except RecurrenceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def asked(arguments: list[str], by_dvc: str) -> tuple[str, str]:
    """The verb and the key."""
    if len(arguments) == 2:
        return arguments[0], arguments[1]
    verb, _, key = by_dvc.rpartition(":")[2].partition("@")
    if arguments != [verb] or not key:
        sys.exit(USAGE)
    return verb, key


if __name__ == "__main__":
    main(sys.argv[1:])
