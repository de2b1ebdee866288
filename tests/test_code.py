"""What is read of a package's source: on packages of a few lines, each case by hand."""

from pathlib import Path

import pytest

from recurrence.code import Code

FILES = {
    "__init__.py": 'VERSION = "1"\n',
    "stages/run.py": """
from pkg import params, tokens
from pkg.decoding.strategies import build
from pkg.model import Net
""",
    "params/__init__.py": "from pkg.unread import nothing\n",
    "unread.py": "nothing = 0\n",
    "tokens.py": "from pkg.deeper import low\n",
    "deeper.py": 'def low():\n    """What."""\n    return "#", """a\n\nb"""\n',
    "model/__init__.py": "from pkg.model.net import Net\n",
    "model/net.py": "TABLE = 'table.yaml'\nclass Net: ...\n",
    "model/table.yaml": "a: 1\n",
    "model/other.yaml": "b: 2\n",
    "decoding/__init__.py": "",
    "decoding/strategies.py": """
from pkg.decoding import filters, more

FILTERS = {**filters.FILTERS, **more.FILTERS}

def build(name):
    return FILTERS[name]
""",
    "decoding/filters.py": '''
"""Filters."""
import functools
from pkg.decoding.values import number, whole

def top_k(value):
    return _keep(whole(value))

@functools.cache
def top_p(value):
    return number(value)

FILTERS: dict = {
    "top_k": top_k,
    "top_p": top_p,
}

def _keep(k): ...
''',
    "decoding/more.py": """
def dry(value): ...
FILTERS = {"dry": dry}
__all__ = ["FILTERS"]
""",
    "decoding/values.py": "def number(x): ...\n\ndef whole(x): ...\n",
    "cores/gru.py": "from pkg.tokens import x\n",
    "cores/lstm.py": "class Core: ...\n",
}

ALL = {"top_k", "top_p", "dry"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "pkg"


def digest(package: Path, *filters: str, core: str = "gru") -> str:
    return Code(package).read(["stages.run", f"cores.{core}"], {"FILTERS": filters}).digest


def test_what_is_read(package: Path) -> None:
    read = Code(package).read(["stages.run", "cores.gru"], {"FILTERS": ["top_k"]})
    assert set(read.pieces) == {
        ("stages/run.py", ""), ("tokens.py", ""), ("deeper.py", ""), ("cores/gru.py", ""),
        ("model/net.py", ""), ("model/table.yaml", ""),
        ("decoding/strategies.py", "build"),
        ("decoding/filters.py", "FILTERS.top_k"), ("decoding/filters.py", "top_k"),
        ("decoding/filters.py", "_keep"), ("decoding/values.py", "whole"),
    }  # fmt: skip
    assert read.registries == {"FILTERS"}


def test_without_a_choice_all_of_a_registry_is_read(package: Path) -> None:
    read = Code(package).read(["stages.run"])
    assert {name for file, name in read.pieces if file == "decoding/more.py"} == {"FILTERS", "dry"}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("decoding/filters.py", "_keep(k): ...", "_keep(k): 1", {"top_k"}),
        ("decoding/filters.py", "@functools.cache", "@functools.lru_cache", {"top_p"}),
        ("decoding/filters.py", '"top_p": top_p', '"top_p": number', {"top_p"}),
        ("decoding/filters.py", '    "top_p"', '    "new": whole,\n    "top_p"', set()),
        ("decoding/filters.py", "def _keep", "def new(): ...\n\ndef _keep", set()),
        ("decoding/filters.py", "Filters.", "Filters!", set()),
        ("decoding/filters.py", "import functools", "import functools\nprint()", ALL),
        ("decoding/values.py", "def number(x)", "def number(y)", {"top_p"}),
        ("decoding/more.py", "dry(value): ...", "dry(value): 1", {"dry"}),
        ("decoding/strategies.py", "FILTERS[name]", "FILTERS[name + '']", ALL),
        ("model/net.py", "class Net: ...", "class Net: 1", ALL),
        ("model/table.yaml", "a: 1", "a: 2", ALL),
        ("model/other.yaml", "b: 2", "b: 3", set()),
        ("deeper.py", "def low", "def high", ALL),
        ("params/__init__.py", "unread", "tokens", set()),
        ("__init__.py", "1", "2", set()),
        ("cores/lstm.py", "Core", "Kernel", set()),
        ("deeper.py", "What.", "Which, and\n    why.", set()),
        ("deeper.py", "    return", "    # why\n\n    return", set()),
        ("deeper.py", 'b"""', 'b"""  # why', set()),
        ("deeper.py", '"#"', '"# why"', ALL),
        ("deeper.py", "a\n\nb", "a\nb", ALL),
    ],
)  # fmt: skip
def test_a_change_is_one_for_whom_it_concerns(
    package: Path, file: str, old: str, new: str, changed: set[str]
) -> None:
    before = {name: digest(package, name) for name in ("top_k", "top_p", "dry")}
    path = package / file
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    assert {name for name in before if digest(package, name) != before[name]} == changed


def test_a_new_file_is_nothing_to_who_does_not_import_it(package: Path) -> None:
    before = digest(package, "top_k")
    for name in ("cores/new.py", "decoding/new.py", "model/new.py", "new.py"):
        (package / name).write_text("x = 1\n")
    assert digest(package, "top_k") == before


def test_readings_do_not_mix(package: Path) -> None:
    code = Code(package)
    both = [code.read(["stages.run"], {"FILTERS": [name]}).digest for name in ("top_k", "dry")]
    again = [Code(package).read(["stages.run"], {"FILTERS": [n]}).digest for n in ("top_k", "dry")]
    assert both == again and both[0] != both[1]


def test_relative_imports_and_modules_as_things(package: Path) -> None:
    (package / "stages/run.py").write_text(
        "from ..decoding import more, values\nfrom . import other\nprint(more, values.whole)\n"
    )
    (package / "stages/other.py").write_text("")
    assert set(Code(package).read(["stages.run"]).pieces) == {
        ("stages/run.py", ""), ("stages/other.py", ""), ("decoding/values.py", "whole"),
        ("decoding/more.py", "dry"), ("decoding/more.py", "FILTERS"),
    }  # fmt: skip
