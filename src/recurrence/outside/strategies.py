"""Which strategies a model from outside is sampled under: those of a project's params.yaml, else a
few that are known.
"""

from collections.abc import Mapping, Sequence

from recurrence import params, paths
from recurrence.errors import RecurrenceError, nearest
from recurrence.params import Strategy

USUAL: Mapping[str, Mapping[str, object]] = {
    "greedy": {"pick": "argmax"},
    "multinomial": {"pick": "sample"},
    "temperature_0_7": {"pick": "sample", "filters": [{"temperature": 0.7}]},
    "top_k_40": {"pick": "sample", "filters": [{"top_k": 40}]},
    "top_p_0_9": {"pick": "sample", "filters": [{"top_p": 0.9}]},
    "min_p_0_1": {"pick": "sample", "filters": [{"min_p": 0.1}]},
    "greedy_repetition": {"pick": "argmax", "filters": [{"repetition_penalty": 1.2}]},
    "greedy_dry": {"pick": "argmax", "filters": [{"dry": 0.8}]},
    "beam_4": {"search": {"beam": {"width": 4}}},
}
"""What most programs offer, and two that are said to keep from loops."""
PURE = "multinomial"
"""With which the others are compared."""


def chosen(names: Sequence[str]) -> dict[str, Strategy]:
    """The blocks of these names, of params.yaml where there is one; none named: the usual ones."""
    known = {name: Strategy.model_validate(block) for name, block in USUAL.items()}
    try:
        paths.root()
    except RecurrenceError:
        pass
    else:
        known |= params.strategies()
    for name in names:
        if name not in known:
            raise RecurrenceError(f"--strategies: no {name!r}; {nearest(name, known)}")
    return {name: known[name] for name in names or USUAL}
