"""What DVC does to a params file when `dvc exp run -S KEY=VALUE` sets a key, and all keys there
are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import loads_yaml

Place = tuple[str | int, ...]


def read(text: str) -> Any:
    """The tree of a file, as DVC reads it."""
    return loads_yaml(text)


def leaves(tree: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value that is neither mapping nor list, with its place."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*place, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from leaves(value, (*place, number))
    else:
        yield place, tree


def overridden(text: str, place: Place, value: Any, folder: Path) -> str:
    """The text after DVC's own override of one key."""
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    apply_overrides(str(path), [f"{key(place)}={quoted(value)}"])
    return path.read_text(encoding="utf-8")


def key(place: Place) -> str:
    """A place as DVC's command line takes it."""
    return ".".join(map(str, place))


def quoted(value: Any) -> str:
    """A value as DVC's command line takes it."""
    if isinstance(value, str):
        return "'" + value.replace("'", r"\'") + "'"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def another(value: Any) -> Any:
    """Another value of the same kind, somewhat longer where that can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return 10 * value + 7
    if isinstance(value, float):
        return value / 4
    return f"{value}_x" if len(value) < 40 else f"{value[:-1]}_"
