"""Kills a small pipeline at random, again and again, until all is complete; then says whether
anything was lost.

    python tests/faults/soak.py --kills 200 --load --command "recurrence repro"

Victims are the stages (most often `train`, `generate`, `track`), dvc, the processes that help it,
and the whole process group; signals are SIGKILL, SIGTERM, SIGINT. After each kill the command is
started anew. When everything is complete, every output must have the bytes of an undisturbed run,
MLflow must hold each run once and none RUNNING, and nothing may be left of the processes. All the
while a watch sees to it that no stage runs twice at once on the same outputs. With --load a busy
loop per core runs beside it, so that processes take seconds to begin and to end. The counts are
printed, by kind of process; exit code 1 says that something was lost.
"""

import argparse
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.aftermath import differences, stale_locks
from faults.processes import Process, alive, marked
from faults.small_pipeline import Pipeline, build
from recurrence.repro import mending

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EPOCHS, SEEDS = 60, (0, 1)
"""Some ten seconds of training; the short version has a third of it."""
SPAN_S = {"train": 12.0, "track": 6.0}
"""How long a stage is given before it is hit, at most; other stages, which are soon over: 0.7."""
HITS = {"train": 12, "generate": 8, "track": 6, "dvc": 3}
"""How often a stage, or dvc between stages, is hit before it is let through; other stages: once."""
ENDING_S = 10.0
"""How long the processes of a run that was hit may take to be gone."""


@dataclass
class Counts:
    """What happened, and what should not have."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By victim and signal."""
    starts: int = 0
    rounds: int = 0
    resumed: int = 0
    stale: int = 0
    """Starts that found locks of the dead."""
    half_written: Counter[str] = field(default_factory=Counter)
    """Files of dvc's own that a kill left so, and that were mended, by name."""
    lost: list[str] = field(default_factory=list)
    """Anything that must not be: differing bytes, doubles, processes left, a start that failed
    without a kill.
    """

    def table(self) -> str:
        """To be printed."""
        victims = sorted({victim for victim, _ in self.kills})
        lines = ["victim          " + "".join(f"{each.name:>9}" for each in SIGNALS) + "    total"]
        for victim in [*victims, "all"]:
            by = [
                sum(
                    n for (v, s), n in self.kills.items() if victim in (v, "all") and s == each.name
                )
                for each in SIGNALS
            ]
            lines.append(f"{victim:<16}" + "".join(f"{n:>9}" for n in by) + f"{sum(by):>9}")
        lines.append(
            f"rounds {self.rounds}, starts {self.starts}, resumed trainings {self.resumed}, "
        )
        lines[-1] += (
            f"starts that found stale locks {self.stale}, half-written files mended "
            f"{dict(self.half_written)}"
        )
        return "\n".join(
            [
                *lines,
                *(f"LOST: {what}" for what in self.lost),
                "lost: nothing" if not self.lost else "",
            ]
        )


class Watch(threading.Thread):
    """Looks on all the while: no stage may work twice at once on the same outputs."""

    PERIOD_S, GRACE_S = 0.1, 2.0
    """A second one may live as long as it takes to see the lock of the first, and to end."""

    def __init__(self, mark: str, counts: Counts) -> None:
        super().__init__(daemon=True)
        self.mark, self.counts, self.over = mark, counts, threading.Event()

    def run(self) -> None:
        since: dict[str, float] = {}
        while not self.over.wait(self.PERIOD_S):
            running = Counter(process.stage for process in roots(marked(self.mark)))
            double = {stage for stage, count in running.items() if count > 1}
            since = {stage: since.get(stage, time.monotonic()) for stage in double}
            for stage, began in since.items():
                if time.monotonic() - began > self.GRACE_S:
                    self.counts.lost.append(f"{stage} runs {running[stage]} times at once")
                    since[stage] = float("inf")


def roots(processes: list[Process]) -> Iterator[Process]:
    """The processes of stages, without those that they started themselves."""
    stages = {process.pid: process.stage for process in processes}
    for process in processes:
        if process.stage and stages.get(process.parent) != process.stage:
            yield process


class Soak:
    """One pipeline after the other, until the kills are done."""

    def __init__(
        self, folder: Path, command: str, kills: int, seed: int, epochs: int = EPOCHS
    ) -> None:
        self.epochs = epochs
        self.folder, self.command, self.wanted = folder, shlex.split(command), kills
        self.rng, self.counts, self.mark = (
            random.Random(seed),
            Counts(),
            f"{os.getpid()}.{time.monotonic_ns()}",
        )
        self.hits: Counter[str] = Counter()

    def run(self) -> Counts:
        """Do it all."""
        expected = build(self.folder / "undisturbed", self.epochs, SEEDS)
        expected.run(*self.command)
        watch = Watch(self.mark, self.counts)
        watch.start()
        while self.counts.kills.total() < self.wanted and not self.counts.lost:
            self._round(expected)
        watch.over.set()
        watch.join()
        return self.counts

    def _round(self, expected: Pipeline) -> None:
        """A new project, killed and started again until it is complete, then held against the
        undisturbed one.
        """
        shutil.rmtree(self.folder / "disturbed", ignore_errors=True)
        pipeline = build(self.folder / "disturbed", self.epochs, SEEDS)
        pipeline.env.update(SOAK=self.mark, RECURRENCE_SNAPSHOT_S="0.5")
        self.hits.clear()
        self.counts.rounds += 1
        while not self._attempt(pipeline):
            if self.counts.lost:
                return
        self.counts.lost += differences(expected, pipeline)

    def _attempt(self, pipeline: Pipeline) -> bool:
        """Start the command, and hit it; true when it came to its end undisturbed."""
        self.counts.starts += 1
        if self.command[0] == "dvc":  # `recurrence repro` does it itself
            self._mended("\n".join(mending.mend(pipeline.root)))
        self.counts.stale += bool(stale_locks(pipeline.root))
        log = pipeline.root / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                self.command,
                cwd=pipeline.root,
                env=pipeline.env,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        hit = False
        while process.poll() is None:
            hit |= self._hit(process)
            time.sleep(0.02)
        self._nothing_left()
        said = log.read_text(encoding="utf-8", errors="replace")
        self._mended(said)
        self.counts.resumed += said.count("resumed at")
        if not hit and process.returncode:
            self.counts.lost.append(f"a start failed though nothing was killed:\n{said[-3000:]}")
        print(
            f"\r{self.counts.kills.total()} kills, {self.counts.starts} starts",
            end="",
            file=sys.stderr,
            flush=True,
        )
        return not hit and process.returncode == 0

    def _mended(self, said: str) -> None:
        self.counts.half_written.update(
            re.findall(r"([^/\s]+): half written by a dvc that was killed", said)
        )

    def _hit(self, leader: subprocess.Popen[bytes]) -> bool:
        """Where a stage runs that has not been hit often enough, wait a while and kill something;
        true if so.
        """
        if self.counts.kills.total() >= self.wanted or (aim := self._aim()) is None:
            return False
        kind, stage = aim
        until = time.monotonic() + self.rng.uniform(0, SPAN_S.get(kind, 0.7))
        while (
            time.monotonic() < until and leader.poll() is None and (not stage or alive(stage.pid))
        ):
            time.sleep(0.01)
        which = self.rng.choice(SIGNALS)
        helpers = [each for each in marked(self.mark) if not each.stage and each.pid != leader.pid]
        victims = (
            {"stage": 8, "dvc": 2, "group": 2, "helper": 1} if stage else {"dvc": 4, "helper": 1}
        )
        (victim,) = self.rng.choices(list(victims), list(victims.values()))
        if victim == "helper" and not helpers:
            victim = "dvc"
        if leader.poll() is not None or (victim == "stage" and stage and not alive(stage.pid)):
            return False
        pid = {"stage": stage.pid if stage else 0, "helper": helpers[0].pid if helpers else 0}.get(
            victim, leader.pid
        )
        with suppress(ProcessLookupError):
            (os.killpg if victim == "group" else os.kill)(pid, which)
            self.counts.kills[kind if victim == "stage" else victim, which.name] += 1
        return True

    def _aim(self) -> tuple[str, Process | None] | None:
        """A stage that runs and has not been hit often enough, and its verb; ("dvc", None) while
        none runs.
        """
        running = list(roots(marked(self.mark)))
        kinds = {each: each.stage.partition(" ")[0] for each in running}
        left = [each for each in running if self.hits[each.stage] < HITS.get(kinds[each], 1)]
        if not running and self.hits["dvc"] < HITS["dvc"]:
            self.hits["dvc"] += 1
            return "dvc", None
        if not left:
            return None
        chosen = self.rng.choice(left)
        self.hits[chosen.stage] += 1
        return kinds[chosen], chosen

    def _nothing_left(self) -> None:
        """The command has ended: so must all that it started."""
        until = time.monotonic() + ENDING_S
        while left := marked(self.mark):
            if time.monotonic() > until:
                self.counts.lost.append(
                    f"still there after {ENDING_S:g} seconds: {[each.command for each in left]}"
                )
                for each in left:
                    with suppress(ProcessLookupError):
                        os.kill(each.pid, signal.SIGKILL)
                return
            time.sleep(0.05)


@contextmanager
def load(wanted: bool) -> Iterator[None]:
    """A busy loop per core meanwhile."""
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1 if wanted else 0)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--command", default="recurrence repro")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--load", action="store_true", help="a busy loop per core beside it")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, load(asked.load):
        counts = Soak(Path(folder), asked.command, asked.kills, asked.seed).run()
    how = "under load, " if asked.load else ""
    minutes = (time.monotonic() - began) / 60
    print(f"\n{counts.table()}\n{how}in {minutes:.0f} minutes, by `{asked.command}`")
    sys.exit(bool(counts.lost))


if __name__ == "__main__":
    main()
