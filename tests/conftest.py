"""Fixtures shared by folders of tests, and the process that tests marked `gpu` run in; pytest finds
here what these files define.
"""

import functools
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import pretended
from small_project import empty_project, recurrence, trained_once, trained_project  # noqa: F401
from tracked_project import fresh_store, imported, results, tracked  # noqa: F401


@functools.cache
def gpu_process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=pretended.install)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("gpu") is None:
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    gpu_process().submit(pyfuncitem.obj, **given).result()
    return True
