"""A session with dvc, shared by stages that run side by side: one repository, one lock around what
dvc itself does.

dvc checks, restores, hashes, caches and records one stage at a time; only while a command runs is
the lock free for another. In: stage names. Out: what dvc found or did. Knows nothing of when a
stage runs, or how its command is started.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import dvc.dependency.param
import dvc.rwlock
import dvc.stage.run
from dvc.dvcfile import Lockfile
from dvc.lock import LockError, make_lock
from dvc.repo.reproduce import _reproduce_stage, get_active_graph, plan_repro
from dvc.utils.serialize import load_path

from recurrence import lifeline
from recurrence.console import say
from recurrence.errors import RecurrenceError, nearest
from recurrence.repro import mending
from recurrence.repro.lockfile import Recorder

as_dvc_locks, as_dvc_reads = dvc.rwlock.rwlock, dvc.dependency.param.read_param_file
PARTIAL = {"of": "what is there"}
BUSY_S = 1.0
"""How often to look whether files that another dvc process holds are free."""
WAIT_S = 600.0
"""How long to wait for another dvc process, unless somebody says otherwise."""
WAITING = "wait for it, or end it; --wait SECONDS waits longer"
BLOCKER = re.compile(r"\(PID (\d+)\): (.*)")
"""How dvc names who holds files."""

Launch = Callable[[Any], None]
"""Runs the command of a stage, and returns when it has ended well."""


def blockers(error: str) -> str:
    """Whom dvc's error names as holding files; the error itself where it names nobody."""
    return ", ".join(f"process {pid} ({cmd})" for pid, cmd in BLOCKER.findall(error)) or error


def _overlap(one: Path, other: Path) -> bool:
    """Whether one of two files or folders is the other, or inside."""
    return one == other or one in other.parents or other in one.parents


class Interrupted(Exception):
    """The run is being stopped; no stage begins any more."""


class Relay(logging.Handler):
    """Passes log messages on as lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(f"dvc: {record.getMessage()}")


class DvcSession:
    """The stages of the pipeline in `root`, and what dvc does with each."""

    def __init__(self, root: Path, launch: Launch, wait_s: float = WAIT_S) -> None:
        self.launch, self.wait_s = launch, wait_s
        self.say: Callable[[str], None] = say
        self.stopping = False
        self._mine = threading.Lock()
        self._held = threading.local()
        self._read: dict[str, tuple[tuple[int, ...], Any]] = {}
        self.repo = mending.opened(root, say)
        rwlock = make_lock(str(root / ".dvc/tmp/rwlock.lock"))
        with mending.explained_to_people(root):
            with self._open(), rwlock:  # nobody is writing what is looked at
                for line in mending.mend(root):
                    say(line)
            with self._open():
                self.graph = get_active_graph(self.repo.index.graph)
        self.stages = {stage.addressing: stage for stage in self.graph}

    def plan(self, targets: list[str]) -> dict[str, list[str]]:
        """The stages to bring up to date, as dvc orders them, with those that each needs first.

        A target is stage@key, or stage for all its keys; none means everything. Raises
        RecurrenceError for others.
        """
        chosen = []
        for target in targets:
            found = [
                stage
                for name, stage in self.stages.items()
                if target in (name, name.partition("@")[0])
            ]
            if not found:
                raise RecurrenceError(f"{target}: no such stage; {nearest(target, self.stages)}")
            chosen += found
        return {
            stage.addressing: [needed.addressing for needed in self.graph.successors(stage)]
            for stage in plan_repro(self.graph, chosen)
        }

    def optional(self, needs: dict[str, list[str]]) -> dict[str, set[str]]:
        """What each stage `of: what is there` (its meta in dvc.yaml) can do without.

        It reads a folder, of which each of these writes a part.
        """
        found = {}
        for name, needed in needs.items():
            stage = self.stages[name]
            if PARTIAL.items() <= (stage.meta or {}).items():
                folders = {Path(dep.fs_path) for dep in stage.deps}
                found[name] = {
                    each
                    for each in needed
                    if all(
                        Path(out.fs_path) not in folders and folders & {*Path(out.fs_path).parents}
                        for out in self._read_of(self.stages[each], folders)
                    )
                }
        return found

    def _read_of(self, stage: Any, folders: set[Path]) -> list[Any]:
        """Those outputs of a stage that are among these files and folders, or inside."""
        return [
            out for out in stage.outs if folders & {Path(out.fs_path), *Path(out.fs_path).parents}
        ]

    @contextmanager
    def kept(self, plan: list[str]) -> Iterator[None]:
        """While this lasts, dvc leaves commands to `launch` and reads and records as this file has
        it.
        """
        recorder = Recorder(plan)
        with ExitStack() as stack:
            for module, name, ours in (
                (dvc.stage.run, "unlocked_repo", self._launcher),
                (dvc.rwlock, "rwlock", self._rwlock),
                (dvc.dependency.param, "read_param_file", self._read_param_file),
                (
                    Lockfile,
                    "dump_stages",
                    lambda *words, **named: recorder.dump_stages(*words, **named),
                ),
            ):
                stack.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, ours)
            stack.enter_context(self._warnings_only())
            stack.enter_context(self.repo.scm_context(quiet=True))
            yield

    @contextmanager
    def _warnings_only(self) -> Iterator[None]:
        """dvc neither prints what the progress table shows nor draws bars into its table."""
        spoken, drawn = logging.getLogger("dvc"), logging.getLogger("dvc.progress")
        former = spoken.handlers, spoken.level, drawn.level
        spoken.handlers = [Relay(lambda line: self.say(line))]
        spoken.setLevel(logging.WARNING)
        drawn.setLevel(logging.CRITICAL)  # what dvc's bars go by
        try:
            yield
        finally:
            spoken.handlers = former[0]
            spoken.setLevel(former[1])
            drawn.setLevel(former[2])

    def changed(self, name: str) -> bool:
        """Whether dvc would run or restore this stage. Also where another process holds its files:
        that one may.
        """
        with self._open():
            try:
                return bool(self.stages[name].changed())
            except LockError:
                return True

    def status(self, name: str) -> list[Any]:
        """What dvc says of a stage that it would run; empty where it would not. Nothing is run or
        restored.
        """
        with self._open(), self._warnings_only():
            found: list[Any] = self.stages[name].status().get(name, [])
            return found

    def recorded(self, name: str) -> dict[str, Any]:
        """The values of params that dvc.lock has for a stage."""
        return {
            key: value
            for dep in self.stages[name].deps
            if isinstance(dep, dvc.dependency.param.ParamsDependency) and dep.hash_info
            for key, value in (dep.hash_info.value or {}).items()
        }

    def reproduce(self, name: str) -> bool:
        """Let dvc bring a stage up to date, from its cache or by its command, and record it; False:
        it was already.
        """
        stage = self.stages[name]
        told, deadline = False, time.monotonic() + self.wait_s
        while True:
            try:
                with self._open():
                    return bool(
                        _reproduce_stage(stage, upstream=list(self.graph.successors(stage)))
                    )
            except LockError as error:
                who = blockers(str(error))
            if self.stopping:
                raise Interrupted
            if time.monotonic() > deadline:
                raise RecurrenceError(f"waited {self.wait_s:g} s for {who}; {WAITING}")
            if not told:
                self.say(f"{name}: waits for {who}")
                told = True
            time.sleep(BUSY_S)

    # ------------------------------------------------------------ machines elsewhere

    def reads(self, name: str) -> list[str]:
        """What a stage reads of what others put into dvc's cache: files and folders, from the
        project's folder.
        """
        stage = self.stages[name]
        wanted = [Path(dep.fs_path) for dep in stage.deps]
        found = {
            Path(out.fs_path)
            for needed in self.graph.successors(stage)
            for out in needed.outs
            if out.use_cache and any(_overlap(Path(out.fs_path), each) for each in wanted)
        }
        return sorted(os.path.relpath(path, self.repo.root_dir) for path in found)

    def share(self, name: str) -> None:
        """Push what a stage reads to dvc's remote. Raises RecurrenceError where there is none."""
        if not self.repo.config["core"].get("remote"):
            raise RecurrenceError(
                "a machine of the cluster does not see this folder, and there is no DVC remote to "
                "meet it in; "
                "dvc remote add --local --default NAME ADDRESS"
            )
        if reads := self.reads(name):
            with self._mine:  # dvc locks for itself here
                self.repo.push([str(Path(self.repo.root_dir, each)) for each in reads])

    def collect(self, name: str) -> None:
        """Bring what a machine elsewhere made of a stage from dvc's remote, as if it had run
        here.
        """
        with self._open():
            self.repo.stage_cache.pull(None)
            self.repo.stage_cache.restore(self.stages[name], pull=True)

    # ------------------------------------------------------------ locks

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Nobody else, in this process or another, works in the session meanwhile; waits for
        whoever does.
        """
        try:
            self._lock()
            yield
        finally:
            self._unlock()

    def _lock(self) -> None:
        self._mine.acquire()
        told, deadline = False, time.monotonic() + self.wait_s
        while not self.repo.lock.is_locked:
            try:
                self.repo.lock.lock()
            except LockError as error:  # after 3 s; dvc itself would give up
                if self.stopping:
                    raise Interrupted from error
                who = self._keeper()
                if time.monotonic() > deadline:
                    waited = f"waited {self.wait_s:g} s for {who}, which has dvc's lock"
                    raise RecurrenceError(f"{waited}; {WAITING}") from error
                if not told:
                    self.say(f"waits for {who}, which is at work in this project")
                    told = True

    def _keeper(self) -> str:
        """Who has the lock that we want, as it says in it."""
        with suppress(OSError, ValueError):
            return f"process {int(Path(self.repo.tmp_dir, 'lock').read_text(encoding='utf-8'))}"
        return "another dvc"

    def _unlock(self) -> None:
        if self.repo.lock.is_locked:
            self.repo.lock.unlock()
        self._mine.release()

    def _launcher(self, _: Callable[..., None]) -> Callable[..., None]:
        """In the place of dvc's `unlocked_repo`, which unlocks, runs, locks, and reads dvc.yaml
        anew.
        """

        def run(stage: Any, **_: Any) -> None:
            self._unlock()
            try:
                self.launch(stage)
            finally:
                self._lock()

        return run

    @contextmanager
    def _rwlock(  # noqa: PLR0913 (as dvc has it)
        self, folder: str, fs: Any, cmd: str, read: list[str], write: list[str], hardlink: bool
    ) -> Iterator[None]:
        """dvc's lock on files, held by the thread of a stage; dvc asks for the same ones again at
        every turn.
        """
        held: tuple[set[str], set[str]] = getattr(self._held, "paths", (set(), set()))
        if held[0] >= set(read) and held[1] >= set(write):
            yield
            return
        started = lifeline.start_of(os.getpid())
        holder = f"{cmd} ({threading.current_thread().name}){lifeline.STARTED}{started}"
        with as_dvc_locks(folder, fs, holder, read, write, hardlink):
            self._held.paths = held[0] | set(read) | set(write), held[1] | set(write)
            try:
                yield
            finally:
                self._held.paths = held

    # ------------------------------------------------------------ params

    def _read_param_file(
        self,
        fs: Any,
        path: str,
        key_paths: list[str] | None = None,
        flatten: bool = False,
        **kwargs: Any,
    ) -> Any:
        """dvc's reader of params, which reads the file for each stage and walks all of it for each
        value.
        """
        try:
            values = {
                key: reduce(getitem, key.split("."), self._params(fs, path))
                for key in key_paths or ()
            }
        except (KeyError, TypeError, IndexError):  # not there, or a pattern
            values = {}
        if not values or not flatten or kwargs:
            return as_dvc_reads(fs, path, key_paths, flatten, **kwargs)
        return deepcopy(
            values
        )  # as one, so that what two of them share stays shared: dvc.lock shows it

    def _params(self, fs: Any, path: str) -> Any:
        """The file's content, read once for each time that it changes."""
        status = os.stat(path)
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if path not in self._read or self._read[path][0] != version:
            self._read[path] = version, load_path(path, fs)
        return self._read[path][1]
