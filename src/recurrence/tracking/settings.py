"""A block of params.yaml, and what was sampled with it, as MLflow's flat params."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAX_PARAM_CHARACTERS = 6000
UNITS = {"char", "word"}


def decoding(strategy: str, block: Mapping[str, Any], rates: Mapping[str, Any]) -> dict[str, str]:
    """A strategy's block as it holds for the corpus's unit, the order of its filters, and what was sampled with it."""
    unit, found = rates["unit"], rates["strategies"][strategy]
    about = {
        "strategy": strategy,
        "unit": unit,
        "filter_order": [next(iter(each)) for each in block.get("filters", ())],
    }
    about |= {name: rates.get(name) for name in ("floor", "reference", "prompts_digest")}
    about |= {
        name: found.get(name) for name in ("samples", "length", "deterministic", "uses_history")
    }
    return flat(_for_unit(block, unit) | about)


def _for_unit(value: Any, unit: str) -> Any:
    """The value with what every {char: x, word: y} in it gives for the unit."""
    if isinstance(value, Mapping):
        by_unit = value and value.keys() <= UNITS and unit in value
        return (
            _for_unit(value[unit], unit)
            if by_unit
            else {key: _for_unit(each, unit) for key, each in value.items()}
        )
    return [_for_unit(each, unit) for each in value] if isinstance(value, list | tuple) else value


def flat(block: Mapping[str, Any]) -> dict[str, str]:
    """A params block as dotted names and text; absent values (None, empty blocks) are left out."""
    return {name: text[:MAX_PARAM_CHARACTERS] for name, text in _leaves(block, "")}


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}.{index}")
    elif value is not None and value not in ([], ()):
        yield name, value if isinstance(value, str) else json.dumps(value)
