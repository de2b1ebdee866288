"""A process of ours ends with the one that started it; and who a process is, as Linux shows it in
/proc.

A stage calls this as its first instruction, so nothing that is slow to import is imported here.
"""

import ctypes
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

SHELLS = {"sh", "dash", "bash", "zsh", "ksh", "fish"}
RWLOCK = Path(".dvc/tmp/rwlock")
"""Where dvc writes down, before it starts a command, which process of dvc's is to read and write
which files.
"""
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that the kernel sends to this process when the one that started it
is gone.
"""
STARTED = " started "
"""In what `recurrence repro` writes into dvc's list: after it stands when the process started."""


def die_with_parent(parent: int | None = None) -> None:
    """Kill this process as soon as the one that started it is gone, however that ended (`parent`:
    its id, if known).

    That it is at once is Linux's; elsewhere we look twice a second for who our parent is.
    """
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(expected,), daemon=True).start()
    if os.getppid() != expected:  # it was gone before we asked
        _end()


def die_with_dvc() -> None:
    """Kill this stage as soon as the dvc that started it is gone; at once if it is gone already.

    Our parent alone does not tell: where dvc was killed before our first instruction, it is process
    1, or whoever takes in orphans. So the dvc that counts is the one among our ancestors which
    stands in dvc's own list of who is at work. Between it and us there may be a shell (most replace
    themselves by their last command, some wait for it).
    """
    parent = os.getppid()
    die_with_parent(parent)
    if sys.platform != "linux":
        return
    dvc = _starter(parent)
    if dvc is None:
        _end()
    if dvc != parent:
        handle = _opened(dvc)
        if _starter(parent) != dvc:  # it ended meanwhile, and its number may be another's
            _end()
        threading.Thread(target=_die_with, args=(handle,), daemon=True).start()


def _end() -> NoReturn:
    with suppress(OSError):
        os.write(2, b"the process that started this one is gone; ended\n")
    os._exit(1)


def _starter(parent: int) -> int | None:
    """The nearest ancestor that dvc's list names; where there is no such list, the parent beyond
    shells.

    None where it is gone: the list names others, or there is none and what took us in is no Python.
    """
    listed = writers(Path.cwd())
    chain = ancestors(parent)
    if listed is not None:
        return next(
            (pid for pid in chain if any(runs(pid, cmd) for cmd in listed.get(pid, ()))), None
        )
    beyond = next((pid for pid in chain if name_and_parent(pid)[0] not in SHELLS), None)
    is_python = beyond is not None and b"python" in _read(beyond, "cmdline").split(b"\0")[0]
    return beyond if is_python else None


def writers(folder: Path) -> dict[int, list[str]] | None:
    """The processes that dvc has down as at work, by id: what they call themselves. None where that
    cannot be read.

    Looks in the folder and those above it for the project that it belongs to.
    """
    for place in (folder, *folder.parents):
        if (place / ".dvc").is_dir():
            try:
                return _listed(json.loads((place / RWLOCK).read_bytes()))
            except (OSError, ValueError, TypeError, KeyError, AttributeError):
                return None
    return None


def _listed(rwlock: dict[str, Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for holder in rwlock.get("write", {}).values():
        commands = found.setdefault(int(holder["pid"]), [])
        if holder["cmd"] not in commands:
            commands.append(holder["cmd"])
    return found


def _opened(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        _end()


def _die_with(handle: int) -> None:
    watched = select.poll()
    watched.register(handle, select.POLLIN)
    watched.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


# ---------------------------------------------------------------- who is who


def ancestors(pid: int) -> Iterator[int]:
    """A process, the one that started it, and so on up to the first of all; ends early where one is
    gone.
    """
    while pid > 0:
        yield pid
        pid = name_and_parent(pid)[1]


def name_and_parent(pid: int) -> tuple[str, int]:
    """What a process is called and who started it; nothing and 0 where it is gone."""
    name, _, rest = _read(pid, "stat").decode(errors="replace").partition("(")[2].rpartition(")")
    return (name, int(rest.split()[1])) if rest else ("", 0)  # "12 (the name) S 11 ..."


def start_of(pid: int) -> int:
    """When a process started, in the system's ticks since it did; 0 where it is gone or the system
    does not say.
    """
    rest = _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()
    return int(rest[19]) if rest else 0  # starttime, field 22 in proc(5)


def began(pid: int) -> float:
    """When a process started, in seconds since the epoch, to some hundredths; 0 where that is not
    known.
    """
    if not (ticks := start_of(pid)):
        return 0.0
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - since_boot + ticks / os.sysconf("SC_CLK_TCK")


def lives(pid: int) -> bool:
    """Whether a process of that number runs; one that is dead and not yet buried does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    except OverflowError:
        return False
    state = _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()
    return not state or state[0] not in "ZX"


def runs(pid: int, command: str) -> bool:
    """Whether a process lives and is the one that wrote down this command for itself; True where
    one cannot tell.

    dvc writes the words of its command line, of which the first is a path of its own; the last one
    tells it from another process that has its number now. `recurrence repro` adds when it started.
    """
    if not lives(pid):
        return False
    own, _, started = command.rpartition(STARTED)
    if own and started.isdigit():
        return int(started) == start_of(pid)
    words = _read(pid, "cmdline").decode(errors="replace").replace("\0", " ").split()
    return not words or not command.split() or words[-1] == command.split()[-1]


def _read(pid: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""
