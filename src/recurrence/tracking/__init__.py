"""MLflow mirrors the result files: the only package that imports mlflow, and only when something is to be imported.

`records` says what MLflow shall hold (pure values), `mirror` puts it there, `store` opens MLflow, `ui` shows it.
"""

from recurrence.tracking.mirror import import_corpus
from recurrence.tracking.records import Record, Results, record
from recurrence.tracking.ui import serve_ui

__all__ = ["Record", "Results", "import_corpus", "record", "serve_ui"]
