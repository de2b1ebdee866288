"""dvc's own files after a kill, a merge, or a disk that failed: what is wrong with them, and what
of that we mend.

dvc writes its files in place. A kill at the wrong moment leaves half a dvc.lock, with which every
later `dvc repro` ends at once; entries of the dead in its list of who reads and writes (rwlock),
which stop it where another process has their number by now; a damaged database of digests ends
every command. In comes the project's root.
"""

import filecmp
import getpass
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dvc.exceptions import DvcException
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import SCHEMA as RWLOCK_SCHEMA
from dvc.scm import SCMError
from voluptuous import Invalid

from recurrence import lifeline
from recurrence.errors import RecurrenceError, command
from recurrence.files import REMEDIES, atomic_path, explained, write_json

CONFLICT = re.compile(rb"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
"""What git writes into a file that two branches changed."""
KILLED = "half written by a dvc that was killed"
DATABASE = "cache.db"
"""The name of each of dvc's databases of digests and links."""


@dataclass(frozen=True)
class Trouble:
    """One file of dvc's that is not as it must be."""

    file: Path
    what: str
    mend: Callable[[], str] | None
    """Mends it, and says how; None where that is for a person to decide."""
    remedy: str = ""

    def __str__(self) -> str:
        remedy = self.remedy or f"mend it: {command('recurrence', 'check', '--mend')}"
        return f"{self.file}: {self.what}; {remedy}"


def found(root: Path) -> Iterator[Trouble]:
    """All that is wrong; it is certain only while no dvc is at work."""
    lock = root / "dvc.lock"
    if lock.exists() and not _is_kept(root):
        content = lock.read_bytes()
        if conflicts := [
            content.count(b"\n", 0, each.start()) + 1 for each in CONFLICT.finditer(content)
        ]:
            yield Trouble(lock, _conflict(conflicts), None, _choose(lock))
        elif not _is_lock(lock):
            yield Trouble(lock, KILLED, lambda: _replace_lock(root))
    yield from _found_in_rwlock(root / lifeline.RWLOCK)


def mend(root: Path) -> list[str]:
    """Mend what can be mended, and say what; for when no dvc is running.

    Raises RecurrenceError where a person must decide: nothing is changed then.
    """
    troubles = list(found(root))
    for trouble in troubles:
        if trouble.mend is None:
            raise RecurrenceError(str(trouble))
    said = [f"{each.file}: {each.what}; {each.mend()}" for each in troubles if each.mend]
    keep(root)
    return said


# ---------------------------------------------------------------- dvc.lock


def keep(root: Path) -> None:
    """Keep a copy of dvc.lock, which is whole now, for `mend`."""
    if (root / "dvc.lock").exists() and (root / ".dvc/tmp").is_dir() and not _is_kept(root):
        _copy(root / "dvc.lock", _kept(root))


def _kept(root: Path) -> Path:
    return root / ".dvc/tmp/dvc.lock.whole"


def _is_kept(root: Path) -> bool:
    return _kept(root).exists() and filecmp.cmp(root / "dvc.lock", _kept(root), shallow=False)


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as path:
        shutil.copyfile(source, path)


def _replace_lock(root: Path) -> str:
    lock, half = root / "dvc.lock", root / ".dvc/tmp/dvc.lock.half"
    half.parent.mkdir(parents=True, exist_ok=True)
    lock.replace(half)
    instead = "set aside"
    if _kept(root).exists() and _is_lock(_kept(root)):
        _copy(_kept(root), lock)
        instead = "the one before it is back"
    return f"{instead} (the half is {half}), and what ran since is in dvc's cache"


def _is_lock(path: Path) -> bool:
    """Whether it looks whole, and dvc will take it: what is left of a file that was cut may still
    be YAML.
    """
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    content = path.read_bytes()
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, Invalid):
        return False
    return content.endswith(b"\n")


def _conflict(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:6])) + (", ..." if len(lines) > 6 else "")
    return f"has git's conflict markers (lines {shown})"


def _choose(lock: Path) -> str:
    """Whole entries of one side are right; what the other side has, dvc finds in its cache or
    computes.
    """
    take = command("git", "checkout", "--theirs", "--", lock)
    return (
        f"take one side whole: {take} (or --ours), resolve params.yaml and dvc.yaml by hand, then: "
        f"{command('recurrence', 'repro')}; what differs comes from dvc's cache or is computed anew"
    )


# ---------------------------------------------------------------- who reads and writes


def _found_in_rwlock(path: Path) -> Iterator[Trouble]:
    if not path.exists():
        return
    try:
        held = RWLOCK_SCHEMA(yaml.safe_load(path.read_bytes()))
    except (yaml.YAMLError, Invalid):
        yield Trouble(path, f"{KILLED}, or odd", lambda: _removed(path))
        return
    written = path.stat().st_mtime
    kept, gone = _sorted_out(held, lambda holder: _holds(holder, written))
    if gone:
        pids = ", ".join(map(str, sorted(gone)))
        what = f"holds files for processes that are gone ({pids})"
        yield Trouble(path, what, lambda: _write(path, kept))


def _removed(path: Path) -> str:
    path.unlink()
    return "removed"


def _write(path: Path, held: dict[str, Any]) -> str:
    write_json(path, held)
    return "let go"


def _sorted_out(
    held: dict[str, Any], holds: Callable[[dict[str, Any]], bool]
) -> tuple[dict[str, Any], set[int]]:
    """The list without those that do not hold any more, and their ids."""
    read = {path: [each for each in held["read"][path] if holds(each)] for path in held["read"]}
    kept = {
        "write": {path: each for path, each in held["write"].items() if holds(each)},
        "read": {path: readers for path, readers in read.items() if readers},
    }
    everyone = [*held["write"].values(), *(each for all_ in held["read"].values() for each in all_)]
    return kept, {each["pid"] for each in everyone if not holds(each)}


def _holds(holder: dict[str, Any], written: float) -> bool:
    """Whether this entry's process lives: it began before the list was written, and goes by the
    same command.
    """
    pid = holder["pid"]
    if pid == os.getpid():  # we hold nothing yet: it had our number
        return False
    return lifeline.runs(pid, holder["cmd"]) and lifeline.began(pid) <= written + 1.0


# ---------------------------------------------------------------- the databases


def opened(root: Path, say: Callable[[str], None]) -> Repo:
    """dvc's repository; a damaged database of its own is set aside before, and said."""
    name_the_user()
    with explained_to_people(root):
        try:
            repo = Repo(str(root))
            folder = Path(repo.site_cache_dir)
            if _is_whole(folder):
                return repo
            repo.close()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            folder = state_folder(root)
        aside = folder.with_name(f"{folder.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        folder.replace(aside)
        say(f"{folder}: dvc's database is damaged; set aside ({aside}), digests are computed anew")
        return Repo(str(root))


def state_folder(root: Path) -> Path:
    """Where dvc keeps its databases of this project, found without opening them."""
    from dvc_data.hashfile import state

    former = state.State
    setattr(state, "State", lambda *_: state.StateNoop())  # noqa: B010 (a type, for mypy)
    try:
        with closing(Repo(str(root))) as repo:
            return Path(repo.site_cache_dir)
    finally:
        setattr(state, "State", former)  # noqa: B010


def _is_whole(folder: Path) -> bool:
    for path in folder.rglob(DATABASE):
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
                if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    return False
        except sqlite3.OperationalError:  # busy, or for this user not to be read
            continue
        except sqlite3.DatabaseError:
            return False
    return True


def name_the_user() -> None:
    """Give a user without a name on this machine one (a container may be given a number alone).

    dvc keeps its databases by the user's name.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid{os.getuid()}"


@contextmanager
def explained_to_people(root: Path) -> Iterator[None]:
    """Within, what dvc meets in a place that is not as it must be raises RecurrenceError, with the
    remedy.
    """
    try:
        yield
    except OSError as error:
        place, remedy = error.filename or root / ".dvc", REMEDIES.get(error.errno or 0)
        if not remedy:
            raise
        raise RecurrenceError(f"{place}: {remedy}{_elsewhere(root, place)}") from error
    except sqlite3.OperationalError as error:
        raise RecurrenceError(
            f"dvc's database cannot be written ({error}); free some space, or check who may write "
            f"there{ELSEWHERE}"
        ) from error
    except (DvcException, SCMError) as error:
        remedies = (remedy(root) for words, remedy in PLACES.items() if words in str(error))
        raise RecurrenceError("; ".join((f"dvc: {error}", *remedies))) from error


ELSEWHERE = " (DVC_SITE_CACHE_DIR names another folder for dvc's databases)"
PLACES: dict[str, Callable[[Path], str]] = {
    "is not a git repository": lambda root: (
        "a ZIP of the project has none; tell dvc so, in that folder: "
        f"{command('dvc', 'config', '--local', 'core.no_scm', 'true')} (or make it one: git init)"
    ),
    "not inside of a DVC repository": lambda root: (
        f"its folder {root / '.dvc'} is missing; get it back, in {root}: "
        f"{command('git', 'checkout', '--', '.dvc')} (without git: dvc init --no-scm)"
    ),
    "not owned by": lambda root: (
        "the folder is another user's; trust it: "
        f"{command('git', 'config', '--global', '--add', 'safe.directory', root)}"
    ),
}
"""By words of dvc's or git's errors: what to do."""


def _elsewhere(root: Path, place: str | Path) -> str:
    return "" if Path(place).is_relative_to(root) else ELSEWHERE


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold both of dvc's locks, so that nobody is writing what is looked at; raises RecurrenceError
    after 3 s.
    """
    from dvc.lock import LockError

    folder = root / ".dvc/tmp"
    try:
        with (
            explained(folder),
            make_lock(str(folder / "lock")),
            make_lock(str(folder / "rwlock.lock")),
        ):
            yield
    except LockError as error:
        raise RecurrenceError(
            f"{folder / 'lock'}: another dvc is at work in this project; wait for it"
        ) from error
