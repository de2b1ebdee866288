"""A block of params.yaml, and what was sampled with it, as MLflow's flat params."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from recurrence.params.decoding import for_unit, is_by_unit

MAX_PARAM_CHARACTERS = 6000
"""Of what MLflow keeps of one."""
MARK = " [cut: {kept} of {whole} characters; all of it is in the artifact params.json]"


def decoding(strategy: str, block: Mapping[str, Any], rates: Mapping[str, Any]) -> dict[str, str]:
    """A strategy's block as it holds for the corpus's unit, the order of its filters, and what was
    sampled with it.
    """
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
        if is_by_unit(value):
            return _for_unit(for_unit(value, unit), unit)
        return {key: _for_unit(each, unit) for key, each in value.items()}
    return [_for_unit(each, unit) for each in value] if isinstance(value, list | tuple) else value


def flat(block: Mapping[str, Any]) -> dict[str, str]:
    """A params block as dotted names and text; absent values (None, empty blocks) are left out."""
    return dict(_leaves(block, ""))


def cut(params: Mapping[str, str]) -> dict[str, str]:
    """The params as MLflow can keep them: what is too long for it ends in a mark that says so."""
    return {name: _cut(text) for name, text in params.items()}


def _cut(text: str) -> str:
    if len(text) <= MAX_PARAM_CHARACTERS:
        return text
    whole = len(text)
    kept = MAX_PARAM_CHARACTERS - len(MARK.format(kept=whole, whole=whole))
    return text[:kept] + MARK.format(kept=kept, whole=whole)


def uncut(params: Mapping[str, str]) -> dict[str, str]:
    """An artifact with all params as they are, by file name, where `cut` cuts any; else nothing."""
    if all(len(text) <= MAX_PARAM_CHARACTERS for text in params.values()):
        return {}
    return {"params.json": json.dumps(params, indent=1, ensure_ascii=False)}


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}.{index}")
    elif value is not None and value not in ([], ()):
        yield name, value if isinstance(value, str) else json.dumps(value)
