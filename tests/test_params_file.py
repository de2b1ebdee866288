"""params.yaml as DVC sees it: `dvc exp run -S` on any key changes that key, one line, and its
stages.
"""

import re
from collections.abc import Callable
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml

import params_file as dvc
from recurrence import params
from recurrence.digests import PACKAGE, digests
from recurrence.errors import RecurrenceError
from recurrence.params.reading import read_tree

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
LEAVES = list(dvc.leaves(dvc.read(TEXT)))
SAMPLE = LEAVES[::170]


def test_nothing_stands_for_anything_else() -> None:
    tokens = list(yaml.scan(TEXT))
    assert not [each for each in tokens if isinstance(each, yaml.AliasToken | yaml.AnchorToken)]


def test_dvc_writes_the_file_as_it_is(tmp_path: Path) -> None:
    place, value = LEAVES[0]
    assert dvc.overridden(TEXT, place, value, tmp_path) == TEXT


def test_ours_is_dvcs_reading() -> None:
    loaded = params.parse(TEXT)
    tree = dvc.read(TEXT)
    assert tree["recipes"]["lm_rows"]["phases"][0]["optimizer"]["eps"] == 1e-5
    for section in ("strategies", "corpora"):
        kind = {"strategies": params.Strategy, "corpora": params.Corpus}[section]
        again = {name: kind.model_validate(block) for name, block in tree[section].items()}
        assert again == getattr(loaded, section)


# ---------------------------------------------------------------- a line for each key


def held(place: dvc.Place, value: object, folder: Path) -> None:
    wanted = dvc.another(value)
    after = dvc.overridden(TEXT, place, wanted, folder)
    lines, others = TEXT.splitlines(), after.splitlines()
    assert len(others) == len(lines)
    assert sum(one != other for one, other in zip(lines, others, strict=True)) == 1
    got = list(dvc.leaves(dvc.read(after)))
    differing = [new for old, new in zip(LEAVES, got, strict=True) if old != new]
    assert differing == [(place, wanted)]


@pytest.mark.parametrize(("place", "value"), SAMPLE, ids=[dvc.key(place) for place, _ in SAMPLE])
def test_a_key_is_a_line(place: dvc.Place, value: object, tmp_path: Path) -> None:
    held(place, value, tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_every_key_is_a_line(tmp_path: Path) -> None:
    for place, value in LEAVES:
        held(place, value, tmp_path)


# ---------------------------------------------------------------- what becomes due

Edge = tuple[str, str]
LOADED = params.parse(TEXT)
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def edges(text: str) -> dict[Edge, str]:
    """All that a stage depends on in params.yaml: the values that dvc.yaml names, and its
    digest.
    """
    made = digests(PACKAGE, STAGES, params.parse(text), ROOT)
    tree = dvc.read(text)
    found = {}
    for verb, keys in made.items():
        for key, digest in keys.items():
            block = tree[STAGES[verb]["foreach"].strip("${}")][key]
            named = [each for each in STAGES[verb]["do"]["params"] if isinstance(each, str)]
            values = [at(tree, filled(each, key, block, tree)) for each in named]
            found[verb, key] = repr((digest, values))
    return found


def filled(place: str, key: str, block: Any, tree: Any) -> list[str]:
    place = place.replace("${key}", key).replace("${protocol.size}", tree["protocol"]["size"])
    return re.sub(r"\$\{item\.(\w+)\}", lambda found: block[found[1]], place).split(".")


def at(tree: Any, place: list[str]) -> Any:
    return reduce(getitem, place, tree)


@cache
def before() -> dict[Edge, str]:
    return edges(TEXT)


def readers(place: dvc.Place) -> Callable[[str, str], bool]:
    """Who may read a key, by what it is of: said once more, without the code's help."""
    section, name = str(place[0]), str(place[1])
    of_corpus = {"report", "track"}
    if section == "corpora":
        return lambda verb, key: key.partition("-")[0] == name
    if section in ("models", "recipes"):
        ours = {k for k, text in MODEL_BLOCKS.items() if name in (k, text["recipe"])}
        homes = {key.partition("-")[0] for key in ours}
        return lambda verb, key: (
            key in homes if verb in of_corpus else verb in ("train", "evaluate") and key in ours
        )
    if section == "sampling":
        home = name.partition("-")[0]
        return lambda verb, key: (
            key == home if verb in of_corpus else key == name and verb not in ("train", "evaluate")
        )
    if section in ("strategies", "strategy_sets"):
        return lambda verb, key: verb in of_corpus | {"generate"}
    if section in ("loops", "protocol"):
        return lambda verb, key: (
            verb in of_corpus | {"calibrate"} or STAGES[verb]["foreach"] == "${sampling}"
        )
    return lambda verb, key: False


MODEL_BLOCKS = dvc.read(TEXT)["models"]


def is_read_by_its_readers(place: dvc.Place, value: object, folder: Path) -> None:
    try:
        after = edges(dvc.overridden(TEXT, place, dvc.another(value), folder))
    except RecurrenceError:
        return  # no valid value: nothing runs at all
    may = readers(place)
    due = {edge for edge, read in before().items() if after[edge] != read}
    assert {edge for edge in due if not may(*edge)} == set()
    assert due or place[0] in ("compute", "protocol"), "nobody reads it"


@pytest.mark.parametrize(
    ("place", "value"), LEAVES[31::340], ids=[dvc.key(place) for place, _ in LEAVES[31::340]]
)
def test_a_key_is_for_its_readers(place: dvc.Place, value: object, tmp_path: Path) -> None:
    is_read_by_its_readers(place, value, tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_every_key_is_for_its_readers(tmp_path: Path) -> None:
    for place, value in LEAVES:
        is_read_by_its_readers(place, value, tmp_path)


# ---------------------------------------------------------------- one rule for numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("3e-3", 0.003), ("1.0e-3", 0.001), ("1E5", 1e5), ("-2.", -2.0), (".5", 0.5),
        ("12", 12), ("010", 10), ("0o17", 15), ("0x1F", 31), ("true", True), ("off", "off"),
        ("yes", "yes"), ("~", None), ("null", None), ("1:30", "1:30"), (".inf", float("inf")),
        ("1e-3x", "1e-3x"), ("e3", "e3"), ("leftover", "leftover"), ("'1'", "1"),
    ],
)  # fmt: skip
def test_plain_text_is_what_dvc_takes_it_for(text: str, value: object) -> None:
    ours = read_tree(f"a: {text}\n", "params.yaml")["a"]
    assert (ours, type(ours)) == (value, type(value))
    assert dvc.read(f"a: {text}\n")["a"] == value
