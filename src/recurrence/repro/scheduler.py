"""The scheduler: each stage runs as soon as it can, as many at a time as there are cores for.

The main thread checks stages and decides which goes; a thread per stage at work stays in dvc until
it is done. In: the pipeline's folder, targets, and what is known of the stages. Out: what became of
each.
"""

import itertools
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.stage.run import _enforce_cmd_list, prepare_kwargs

from recurrence.console import WATCHED
from recurrence.repro.commands import Commands
from recurrence.repro.dvc_session import WAIT_S, DvcSession, Interrupted
from recurrence.repro.executor import MakeExecutor, Task
from recurrence.repro.plan import Plan
from recurrence.repro.progress import progress_of

Event = tuple[str, str, str]
"""A stage, what became of it (progress.HEADINGS), and why."""


@dataclass(frozen=True)
class Known:
    """What the pipeline knows of its stages, by name."""

    cost: Callable[[str], float] = lambda name: 1.0
    cores: Callable[[str], int] = lambda name: 1
    gpus: Callable[[str], Sequence[str]] = lambda name: ()
    """Those of this machine; where there are several, the stage sees one."""
    may_use_gpu: Callable[[str], bool] = lambda name: False
    """Whether it would compute on a GPU of another machine."""


@dataclass(frozen=True)
class Limits:
    """What a run may take."""

    jobs: int
    """Stages at a time."""
    wait_s: float = WAIT_S
    """How long to wait for another dvc, at work in the same project."""


class Failed(Exception):
    """A command did not end well; says why."""


class Scheduler:
    """One run; afterwards `progress` says what became of each stage, and `signal` what stopped it,
    if anything did.
    """

    def __init__(
        self,
        root: Path,
        targets: list[str],
        limits: Limits,
        known: Known,
        make_executor: MakeExecutor = Commands,
    ) -> None:
        self.known, self.signal = known, 0
        self.session = DvcSession(root, self._launch, limits.wait_s)
        needs = self.session.plan(targets)
        self.progress = progress_of(needs, known.cost)
        self.session.say = self.progress.show
        self.executor = make_executor(root, self._told, limits.jobs)
        total = self.executor.cores
        self.plan = Plan(needs, known.cost, known.cores, total, self.session.optional(needs))
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._launched: set[str] = set()
        self._turns = itertools.count()

    def run(self) -> None:
        """Bring all stages of the plan up to date, but for those that fail and those that need
        them.
        """
        with self.progress, self.session.kept(list(self.plan.needs)), self._signals():
            try:
                while self.plan.is_open and not self.signal:
                    self._turn()
            finally:
                if not self.signal and self.plan.running:  # an error of ours
                    self._stop()
                while self.plan.running:
                    self._settle(self._events.get())
                self.executor.close()
        for name in self.plan.needs:
            self.progress.how.setdefault(name, "left out")

    def _turn(self) -> None:
        """One step: what has ended makes room, what is due begins, and only then comes a look at
        another stage.
        """
        if not self._events.empty():
            self._settle(self._events.get())
        elif name := self.plan.next_due():
            threading.Thread(target=self._work, args=(name,), name=name).start()
        elif self.plan.unchecked:
            self._check(self.plan.unchecked[0])
        else:
            self._settle(self._events.get())

    def _check(self, name: str) -> None:
        try:
            is_changed = self.session.changed(name)
        except Interrupted:
            return
        except Exception as error:  # whatever dvc meets in a stage's files is that stage's failure
            self._settle((name, "failed", str(error)))
            return
        if not is_changed:
            self._settle((name, "up to date", ""))
            return
        self.executor.prepare(_enforce_cmd_list(self.session.stages[name].cmd or []))
        self.plan.is_due(name)

    def _settle(self, event: Event | None) -> None:
        if event is None:
            return
        name, how, why = event
        self.progress.ended(name, how, why)
        if how not in ("failed", "stopped"):
            self.plan.done(name)
            return
        for lost in self.plan.failed(name):
            self.progress.ended(lost, "left out")

    # ------------------------------------------------------------ in the thread of a stage

    def _work(self, name: str) -> None:
        how, why = "up to date", ""
        try:
            if self.session.reproduce(name):
                how = "ran" if name in self._launched else "restored"
        except Interrupted:
            how = "stopped"
        except Exception as error:  # see _check
            how, why = ("stopped", "") if self.signal else ("failed", str(error))
        self._events.put((name, how, why))

    def _launch(self, stage: Any) -> None:
        """Run a stage's commands; the session calls it."""
        name = stage.addressing
        self._launched.add(name)
        self.progress.started(name)
        if self.executor.needs_remote():
            self.session.share(name)
        for command in _enforce_cmd_list(stage.cmd):
            if self.signal:
                raise Interrupted
            ended = self.executor.run(self._task(stage, command))
            if ended.code:
                raise Failed(self._reason(name, ended.code))
            if ended.is_elsewhere:  # dvc ran all its commands there
                self.session.collect(name)
                return

    def _task(self, stage: Any, command: str) -> Task:
        name, given = stage.addressing, prepare_kwargs(stage)
        return Task(
            name=name,
            command=command,
            cwd=given["cwd"],
            env=given["env"] | self._settings(name),
            cores=self.plan.running[name],
            may_use_gpu=self.known.may_use_gpu(name),
            reads=self.session.reads(name),
            is_cached=bool(stage.outs) and all(out.use_cache for out in stage.outs),
        )

    def _told(self, name: str, line: str) -> None:
        if not self.signal:  # then they say only that they were interrupted
            self.progress.told(name, line)

    def _settings(self, name: str) -> dict[str, str]:
        told = {WATCHED: "1"} if self.progress.is_watching else {}
        gpus = self.known.gpus(name)
        return told | (
            {"CUDA_VISIBLE_DEVICES": gpus[next(self._turns) % len(gpus)]} if len(gpus) > 1 else {}
        )

    def _reason(self, name: str, code: int) -> str:
        """The last line that the stage wrote, or by what it was killed."""
        with suppress(ValueError):
            # as Python, as a shell says it
            return f"killed by {signal.Signals(-code if code < 0 else code - 128).name}"
        return self.progress.running[name].last.removeprefix("error: ") or f"exit code {code}"

    # ------------------------------------------------------------ signals

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, _: object) -> None:
            self._stop(number)

        former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _stop(self, number: int = signal.SIGTERM) -> None:
        if not self.signal:
            self.signal = number
            self.session.stopping = True
            threading.Thread(target=self.executor.stop, daemon=True).start()
            self._events.put(None)  # wakes the main thread
