"""The side that asks: an Executor whose tasks Ray places.

In: an address (none: Ray is started here, for this run alone) and the project's folder. Out: how
each task ended, on which machine. Stages whose outputs are not all in dvc's cache (reports, what
MLflow took in) run here in the project.
"""

import os
import signal
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from recurrence.errors import RecurrenceError
from recurrence.repro.commands import Commands
from recurrence.repro.executor import Ended, Task, Tell
from recurrence.repro.on_ray import copies, node

RETRIES = 3
"""How often a task is begun again because its machine was lost; Ray's own default for tasks."""
LAST_LINES_S = 5.0
"""How long to wait for the last lines of a task that has ended."""
LOOK_S = 1.0
MARK = ".dvc/tmp/seen_by_ray"
"""A file by which a machine sees whether the project's folder is the same one there."""


@dataclass
class RayExecutor:
    root: Path
    tell: Tell
    jobs: int
    """Cores that a Ray started here may give out."""
    address: str | None = None
    """As `ray.init` takes it: `ray://HOST:10001`, `HOST:6379`, `auto`; None starts Ray here."""
    gpu_share: float = 0.25
    """What part of a GPU a stage takes that can compute on one, where the cluster has any."""
    here: Commands = field(init=False)
    running: dict[str, Any] = field(default_factory=dict)
    """What Ray knows each task by, by the stage's name."""

    def __post_init__(self) -> None:
        self.here = Commands(self.root, self.tell)
        self.mark = str(uuid.uuid4())
        (self.root / MARK).parent.mkdir(parents=True, exist_ok=True)
        (self.root / MARK).write_text(self.mark, encoding="utf-8")
        self._connect()
        self.lines = Queue(actor_options={"num_cpus": 0})
        self.heard: dict[str, threading.Event] = {}
        self.sees: dict[str, bool] = {}
        self.is_stopping = False
        self.is_open = True
        self.project: Any = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody unasked
        about = {"logging_level": "error", "log_to_driver": False, "namespace": "recurrence"}
        try:
            if self.address is None:
                ray.init("local", num_cpus=self.jobs, include_dashboard=False, **about)
            else:
                ray.init(self.address, **about)
        except Exception as error:  # Ray has no one kind of error for this
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            where = self.address or "this machine"
            short = "; ".join(dict.fromkeys([*said[:1], *said[-1:]])) or repr(error)
            raise RecurrenceError(f"no Ray at {where}: {short}; docs/machines.md") from error

    # ------------------------------------------------------------ what the scheduler asks

    @property
    def cores(self) -> int:
        """All cores of the cluster."""
        return int(ray.cluster_resources().get("CPU", 1))

    def prepare(self, commands: list[str]) -> None:
        """Nothing: each machine's own fork server starts with its first stage."""

    def needs_remote(self) -> bool:
        """Look at machines that joined meanwhile, too."""
        alive = {each["NodeID"] for each in ray.nodes() if each["Alive"]}
        asked = {
            name: ray.remote(node.sees)
            .options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False)
            )
            .remote(str(self.root / MARK), self.mark)
            for name in alive - self.sees.keys()
        }
        for name, answer in asked.items():
            with suppress(ray.exceptions.RayError):  # it left at once
                self.sees[name] = ray.get(answer)
        return not all(self.sees.get(name, True) for name in alive)

    def run(self, task: Task) -> Ended:
        if not task.is_cached:
            return self.here.run(task)
        self.heard[task.name] = threading.Event()
        answer = self._begin(task)
        self.running[task.name] = answer
        if self.is_stopping:
            ray.cancel(answer)
        try:
            ended: Ended = ray.get(answer)
        except ray.exceptions.TaskCancelledError:
            return Ended(-signal.SIGINT)
        except ray.exceptions.RayTaskError as error:  # it came there, and could not begin
            raise RecurrenceError(f"on its machine: {error.cause}") from error
        except ray.exceptions.RayError as error:
            said = str(error).strip().splitlines()
            raise RecurrenceError(f"lost by Ray {RETRIES + 1} times: {said[0]}") from error
        finally:
            del self.running[task.name]
        self.heard[task.name].wait(LAST_LINES_S)
        return ended

    def _begin(self, task: Task) -> Any:
        gpus = self.gpu_share if task.may_use_gpu and ray.cluster_resources().get("GPU") else 0
        sent = replace(task, env=node.passed_on(task.env))
        fresh = None
        if self.needs_remote():
            self.project = self.project or ray.put(copies.packed(self.root))
            fresh = copies.fresh(self.root)
        return (
            ray.remote(node.run)
            .options(
                num_cpus=min(task.cores, self._widest()),
                num_gpus=gpus,
                max_retries=RETRIES,
                name=task.name,
            )
            .remote(
                sent, node.Project(str(self.root), MARK, self.mark, fresh), self.project, self.lines
            )
        )

    def _widest(self) -> int:
        """The cores of the machine that has most: a task that asks for more would wait without
        end.
        """
        return int(max(each["Resources"].get("CPU", 1) for each in ray.nodes() if each["Alive"]))

    def stop(self) -> None:
        self.is_stopping = True
        stopping = threading.Thread(target=self.here.stop)
        stopping.start()
        for answer in list(self.running.values()):
            with suppress(Exception):  # it may just have ended
                ray.cancel(answer)
        stopping.join()

    def close(self) -> None:
        self.is_open = False
        self.reader.join(2 * LOOK_S)
        self.here.close()
        with suppress(OSError):
            (self.root / MARK).unlink()
        ray.shutdown()

    # ------------------------------------------------------------ lines

    def _read(self) -> None:
        """Tell the lines that come from all machines, until all is over."""
        while self.is_open:
            try:
                name, line = self.lines.get(timeout=LOOK_S)
            except Empty:
                continue
            except Exception:  # the actor is gone with its machine; the stages go on unheard
                return
            if line is None:
                self.heard[name].set()
            else:
                self.tell(name, line)


def executor(
    root: Path, tell: Tell, jobs: int, address: str | None, gpu_share: float
) -> RayExecutor:
    """The executor of `--on`: without an address it goes where RAY_ADDRESS says, or starts Ray
    here.
    """
    return RayExecutor(root, tell, jobs, address or os.environ.get("RAY_ADDRESS"), gpu_share)
