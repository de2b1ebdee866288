"""digest: the code, params.yaml and texts of one's own -> data/code.json, what each stage reads."""

import yaml

from recurrence import digests, files, params, paths
from recurrence.console import say


def main(_: str) -> None:
    """Write a digest for each stage and key, so that none runs for a change that is nothing to
    it.
    """
    root = paths.root()
    stages = yaml.safe_load(files.read_text(root / "dvc.yaml"))["stages"]
    made = digests.digests(digests.PACKAGE, stages, params.load(), root)
    files.write_json(paths.code(), made)
    say(f"digest: what {sum(map(len, made.values()))} stages read")
