"""Stages of small models of several cores, each in a process that begins as its own; prints what came out.

`python -m numerics_probe FIRST`: FIRST is `before` where numerics are chosen before torch is imported, as by
`python -m recurrence.stages`, or `after`, as in a child of the warm process of `recurrence repro`.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from recurrence import machine, paths

NETS = ("elman", "rnn", "gru", "lstm", "awd_lstm")
TEXT_STAGES = ("download", "split", "build_vocab", "numericalize")


def run(stage: str, key: str) -> None:
    """In a child, which computes for the first time."""
    from recurrence.stages.__main__ import main

    child = os.fork()
    if not child:
        code = 1
        try:
            main([stage, key])
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{stage}@{key} failed")


def digests(root: Path) -> dict[str, str]:
    files = [file for name in ("models", "scores", "samples") for file in (root / name).rglob("*")]
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.is_file()
    }


def main() -> None:
    if sys.argv[1] == "after":
        import torch  # noqa: F401
    for stage in TEXT_STAGES:
        run(stage, "mine")
    for net in NETS:
        for stage in ("train", "evaluate"):
            run(stage, f"mine-{net}")
    run("generate", "mine-rnn")
    known = {each["numerics"] for each in machine.rows("mine") if each["numerics"]}
    print(json.dumps({"digests": digests(paths.root() / "data"), "numerics": sorted(known)}))


if __name__ == "__main__":
    main()
