"""Stages of small models of several cores, one after another in a process; prints what came out.

`python -m numerics_probe FIRST`: FIRST is `before` where numerics are chosen before torch is
imported, as by `python -m recurrence.stages`, or `after`, as in a child of the warm process of
`recurrence repro`.
"""

import hashlib
import json
import sys
from pathlib import Path

from recurrence import machine, paths
from recurrence.stages.__main__ import main as run

NETS = ("elman", "rnn", "gru", "lstm", "awd_lstm")
TEXT_STAGES = ("download", "split", "build_vocab", "numericalize")


def digests(root: Path) -> dict[str, str]:
    """Of weights, histories, scores and samples, by file."""
    files = [file for name in ("models", "scores", "samples") for file in (root / name).rglob("*")]
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.is_file()
    }


def main() -> None:
    if sys.argv[1] == "after":
        import torch  # noqa: F401
    else:
        assert "torch" not in sys.modules
    for stage in TEXT_STAGES:
        run([stage, "mine"])
    for net in NETS:
        for stage in ("train", "evaluate"):
            run([stage, f"mine-{net}"])
    run(["generate", "mine-rnn"])
    known = {each["numerics"] for each in machine.rows("mine") if each["numerics"]}
    print(json.dumps({"digests": digests(paths.root() / "data"), "numerics": sorted(known)}))


if __name__ == "__main__":
    main()
