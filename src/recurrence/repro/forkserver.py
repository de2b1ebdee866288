"""A process that has imported what stages import, and forks one child per stage: `import torch` is
paid once.

It is started as a program of its own and has no computing and no CUDA call behind it, so that a
child finds what a fresh `python -m recurrence.stages VERB` would. In: a socket with jobs. Out: of
each job the child's pid, then how it ended. When the socket is closed it ends, and its children
with it.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field

from setproctitle import getproctitle, setproctitle

from recurrence import numerics, stages
from recurrence.lifeline import die_with_parent
from recurrence.stages import __main__ as entry

JOB_BYTES = 1 << 20
NUMBER = struct.Struct("i")
"""How a pid and an exit code (negative: the signal) travel."""

Versions = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Job:
    """A stage to run, and what its process finds around it."""

    arguments: list[str]
    """What follows `python -m recurrence.stages`."""
    cwd: str
    env: dict[str, str]


@dataclass
class Server:
    channel: socket.socket
    waiting: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> tuple[Job, int] | None:
        """Fork a child for each job. Returns there, with the job and where its output goes; else
        when all is over.
        """
        self.waiting.register(self.channel, selectors.EVENT_READ)
        while True:
            for ready, _ in self.waiting.select():
                if ready.fileobj is not self.channel:
                    self._reap(ready)
                    continue
                message, handles, *_ = socket.recv_fds(self.channel, JOB_BYTES, 2)
                if not message:
                    return None
                output, reply = handles[0], socket.socket(fileno=handles[1])
                if not (child := os.fork()):
                    self._forget(reply)
                    return Job(**json.loads(message)), output
                self._adopt(child, reply)
                os.close(output)

    def _adopt(self, child: int, reply: socket.socket) -> None:
        with suppress(OSError):  # the child does the same; who comes first wins
            os.setpgid(child, child)
        with suppress(OSError):  # nobody may listen any more
            reply.send(NUMBER.pack(child))
        self.waiting.register(os.pidfd_open(child), selectors.EVENT_READ, (child, reply))

    def _reap(self, ended: selectors.SelectorKey) -> None:
        child, reply = ended.data
        self.waiting.unregister(ended.fileobj)
        os.close(ended.fd)
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)  # whatever the stage left running
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with suppress(OSError):
            reply.send(NUMBER.pack(code))
        reply.close()

    def _forget(self, reply: socket.socket) -> None:
        """In a child: leave the sockets to the server, so that their ends are seen when it is
        gone.
        """
        for key in list(self.waiting.get_map().values()):
            if key.data:
                key.data[1].close()
        self.waiting.close()
        self.channel.close()
        reply.close()


def become(job: Job, output: int, server: int, versions: Versions) -> None:
    """Be the process of this stage: what `python -m` does, in a child of the server."""
    with suppress(OSError):
        os.setpgid(0, 0)
    die_with_parent(server)
    os.chdir(job.cwd)
    os.environ.clear()
    os.environ.update(job.env)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    if any(
        _version(file) != version for file, version in versions.items()
    ):  # what dvc will record is the code of now
        os.execvpe("python", ["python", "-m", "recurrence.stages", *job.arguments], job.env)
    leaving.code = 1  # what an exception ends with
    try:
        entry.run(job.arguments, begins=rename)
    except SystemExit as ended:
        leaving.code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
    leaving.code = 0


class Leaving:
    """The last thing that a process does at exit: it goes, and leaves its memory to the system.

    Python would take all that was imported apart first, which lasts longer than many a stage.
    """

    code = 0

    def __call__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


leaving = Leaving()


def rename(verb: str, key: str) -> None:
    """Let `ps` show this process as the stage that it runs."""
    setproctitle(f"python -m recurrence.stages {verb} {key}")


def _version(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def main() -> None:
    """Serve the socket whose number stands on the command line, until the process beside it is
    gone.

    That process is bound to before the imports, which take seconds: it may be killed meanwhile.
    """
    die_with_parent(int(sys.argv[2]))
    # it finds its place by the environment as it was at the start, which a child replaces
    getproctitle()
    atexit.register(leaving)  # before all others, which makes it the last to be called
    numerics.before_imports()
    for module in pkgutil.iter_modules(stages.__path__):
        with suppress(ImportError):  # the stage will say what is missing
            importlib.import_module(f"recurrence.stages.{module.name}")
    files = [
        getattr(module, "__file__", None)
        for name, module in sys.modules.items()
        if name.startswith("recurrence")
    ]
    versions = {file: _version(file) for file in files if file}
    gc.collect()
    gc.freeze()  # so that collecting in a child does not copy all these pages
    server = os.getpid()
    if mine := Server(socket.socket(fileno=int(sys.argv[1]))).serve():
        become(*mine, server, versions)
