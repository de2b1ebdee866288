"""Run one stage: `python -m recurrence.stages VERB [KEY]`.

dvc starts it without a key, so that no text of params.yaml is ever part of a shell's command line;
what it is to work on stands in DVC_STAGE then, as verb@key. An error meant for people ends it with
exit code 2.

Nothing but the tie to dvc is imported at the top: a dvc that is killed in the meantime would leave
an orphan.
"""

import os
import sys
from collections.abc import Callable

from recurrence.lifeline import die_with_dvc

USAGE = "usage: python -m recurrence.stages VERB KEY    (a stage of dvc.yaml, a key of params.yaml)"


def main(arguments: list[str]) -> None:
    """Run the stage that the arguments, or dvc, name; it does not outlive the dvc that started
    it.
    """
    if os.environ.get("DVC_STAGE"):
        die_with_dvc()
    run(arguments)


def run(arguments: list[str], begins: Callable[[str, str], None] | None = None) -> None:
    """Run the stage; exits with 2 and a line on stderr where that cannot be done. `begins` hears
    its verb and key.
    """
    import importlib

    from recurrence import checkout, integrity, machine, numerics
    from recurrence.console import fail
    from recurrence.errors import RecurrenceError, refusals_named
    from recurrence.locks import only_writer
    from recurrence.processes import end_at_once

    try:
        verb, key = asked(arguments, os.environ.get("DVC_STAGE", ""))
        checkout.insist(["-m", "recurrence.stages", *arguments])
        if begins:
            begins(verb, key)
        if verb == "train":
            end_at_once()
        numerics.prepare(verb, key)
        stage = importlib.import_module(f"recurrence.stages.{verb}")
        with (
            refusals_named(),
            integrity.damage_named(),
            only_writer(verb, key),
            machine.recorded(verb, key),
        ):
            stage.main(key)
    except RecurrenceError as error:
        fail(error)
        sys.exit(error.exit_code)


def asked(arguments: list[str], by_dvc: str) -> tuple[str, str]:
    """The verb and the key. Raises RecurrenceError for what is no name, but a command or a way out
    of a folder.
    """
    import re
    from importlib.util import find_spec

    from recurrence.errors import RecurrenceError

    if len(arguments) == 2:
        verb, key = arguments
    else:
        verb, _, key = by_dvc.rpartition(":")[2].partition("@")
    if arguments not in ([verb], [verb, key]) or not key:
        sys.exit(USAGE)
    if not re.fullmatch("[a-z][a-z_]*", verb) or not find_spec(f"recurrence.stages.{verb}"):
        raise RecurrenceError(f"{verb!r}: no such stage; it must be one of dvc.yaml")
    if not re.fullmatch("[a-z0-9_-]+", key):
        raise RecurrenceError(
            f"{key!r}: no such key in params.yaml; it must be of letters a-z, digits, _ and -"
        )
    return verb, key


if __name__ == "__main__":
    main(sys.argv[1:])
