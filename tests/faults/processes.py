"""Processes as Linux shows them in /proc: those that carry a mark in their environment, wherever
they were moved to.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process that runs, and the stage and key that it runs, if it runs one: `train mine-rnn`."""

    pid: int
    parent: int
    command: str
    stage: str


def marked(mark: str, name: str = "SOAK") -> list[Process]:
    """Those whose environment has the mark; the dead that nobody buried are not among them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or another's
            if f"{name}={mark}\0".encode() in (folder / "environ").read_bytes() + b"\0":
                found.append(_read(folder))
    return found


def alive(pid: int) -> bool:
    """Whether it runs still."""
    with suppress(OSError):
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            != "Z"
        )
    return False


def _read(folder: Path) -> Process:
    words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    command = " ".join(words).strip()
    verb = re.search(r"python\S* -m recurrence\.stages (\w+)( \S+)?$", command)
    stage = ""
    if verb and "python" in words[0]:
        stage = f"{verb[1]}{verb[2]}" if verb[2] else _by_dvc(folder)
    return Process(int(folder.name), parent, command, stage)


def _by_dvc(folder: Path) -> str:
    """What dvc wrote into the environment of a stage: train@mine-rnn."""
    found = re.search(rb"\0DVC_STAGE=([^\0]*)", b"\0" + (folder / "environ").read_bytes())
    return found[1].decode(errors="replace").replace("@", " ") if found else ""
