"""The code that runs is the project's own: results bear the digest of the code in the project's
folder.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from recurrence import paths
from recurrence.errors import RecurrenceError

EXPERIMENTS = ".dvc/tmp/exps/"
"""Where DVC runs the experiments of its queue, each in a copy of the project."""


def insist(again: Sequence[str] = ()) -> None:
    """Refuse to go on with code of another checkout.

    A project without src/recurrence, which uses an installed package, has none to differ from. In a
    copy that DVC made for an experiment, python begins `again` (its arguments) with the copy's
    code.
    """
    runs = Path(__file__).parent.resolve()  # not resolved itself: a file may be a link
    own = paths.root() / "src/recurrence"
    if not own.is_dir() or own.resolve() == runs:
        return
    first = str(own.parent)
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if again and EXPERIMENTS in own.as_posix() and known[0] != first:
        os.environ["PYTHONPATH"] = os.pathsep.join([first, *filter(None, known)])
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *again])
    raise RecurrenceError(
        f"{paths.root()}: has code of its own in {own}, but what runs is {runs}, another "
        f"checkout's; "
        f"make the environment here (`make`), or set PYTHONPATH={quote(first)}"
    )
