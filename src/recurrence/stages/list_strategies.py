"""list_strategies: the strategies of params.yaml, checked and with their defaults -> a file of their own.

`generate`, `report` and `track` depend on that file rather than on the params: dvc.lock spells out every param of every
stage, and half a hundred strategies in each of them would make each update of the lock take seconds.
"""

from recurrence import params, paths
from recurrence.console import say
from recurrence.files import write_json


def main(key: str) -> None:
    """Write the strategies that a corpus is sampled with."""
    blocks = params.strategies()
    write_json(
        paths.strategies(key),
        {name: block.model_dump(mode="json") for name, block in blocks.items()},
    )
    say(f"list_strategies {key}: {len(blocks)}")
