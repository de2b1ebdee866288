"""Fixtures shared by folders of tests; pytest finds here what these files define."""

from small_project import empty_project, recurrence, trained_once, trained_project  # noqa: F401
from tracked_project import fresh_store, imported, results  # noqa: F401
