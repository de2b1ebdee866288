"""Takes back the receipt of a corpus whose runs MLflow does not hold any more, so that dvc has them
tracked again.

dvc runs this every time, as the store is none of its outputs; it looks for a tenth of a second, and
changes nothing that dvc knows of where all is well.
"""

from recurrence import paths
from recurrence.console import say
from recurrence.files import write_text
from recurrence.tracking.receipts import gap

CHECKED = "The receipts beside this folder stand for runs that MLflow held when dvc last looked.\n"


def main(key: str) -> None:
    """Hold the receipt of a corpus against the store."""
    if reason := gap(key):
        paths.receipt(key).unlink(missing_ok=True)
        say(f"MLflow: {key}: {reason}; it is tracked anew")
    write_text(paths.checked(key), CHECKED)
