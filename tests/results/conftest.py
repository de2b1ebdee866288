"""The planted results of the tests of the report."""

from reporting.conftest import project, toy, tree  # noqa: F401
