"""The commands of stages as processes: each in a group of its own, its lines told, and stopped when
all must stop.

A stage of ours is a child of the fork server (forkserver.py); any other command runs by the shell,
as dvc would.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from dvc.stage.run import _make_cmd, get_executable

from recurrence.repro.executor import Ended, Task, Tell
from recurrence.repro.forkserver import NUMBER, Job

STAGE = re.compile(r"python -m recurrence\.stages (?!check_store)(\w+)(?: ([\w.-]+))?")
"""Not check_store: it runs every time and is over before the fork server has imported anything."""
STOPPING = ((signal.SIGINT, 2.0), (signal.SIGTERM, 1.5), (signal.SIGKILL, 1.0))
"""What a stage is told to end by, and how many seconds each may take."""
CLOSING_S = 1.0
SERVE = "from recurrence.repro.forkserver import main; main()"
ABOUT = (
    "begins stages of recurrence repro with all imports done; each is a child of it that takes "
    "its own name"
)
"""For whoever lists processes; it also leaves room for the names of the children
(forkserver.rename).
"""
KEEPS_ENVIRONMENT = {"SPT_NOENV": "1"}
"""For setproctitle, which would else take the room of the environment that Linux shows of a
process.
"""


class Child(Protocol):
    """A process that leads a group."""

    pid: int

    def wait(self) -> int:
        """Its exit code, negative for a signal."""


class Commands:
    """The executor of this machine."""

    def __init__(self, root: Path, tell: Tell, cores: int = 1) -> None:
        self.root, self.tell, self.cores = root, tell, cores
        self.alive: set[int] = set()
        self.stopped = False
        self.forkserver: ForkServer | None = None

    def prepare(self, commands: list[str]) -> None:
        """Start the fork server, if it can be of use for any of these."""
        if (
            self.forkserver is None
            and hasattr(os, "pidfd_open")
            and any(map(STAGE.fullmatch, commands))
        ):
            self.forkserver = ForkServer(self.root)

    def needs_remote(self) -> bool:
        """Never: all is here."""
        return False

    def run(self, task: Task) -> Ended:
        """Run a command to its end, telling its lines."""
        readable, writable = os.pipe()
        try:
            child = self._start(task, writable)
        finally:
            os.close(writable)
        self.alive.add(child.pid)
        if self.stopped:
            self._signal(child.pid, signal.SIGKILL)
        reader = threading.Thread(target=self._read, args=(task.name, readable), daemon=True)
        reader.start()
        code = child.wait()
        if isinstance(child, subprocess.Popen):
            self._signal(child.pid, signal.SIGKILL)  # whatever the command left running
        self.alive.discard(child.pid)
        reader.join(CLOSING_S)
        return Ended(code)

    def stop(self) -> None:
        """End all commands, and those that still begin: politely, then not."""
        self.stopped = True
        for told, seconds in STOPPING:
            heard: set[int] = set()
            until = time.monotonic() + seconds
            while self.alive and time.monotonic() < until:
                for group in self.alive - heard:
                    self._signal(group, told)
                    heard.add(group)
                time.sleep(0.02)

    def close(self) -> None:
        if self.forkserver:
            self.forkserver.close()

    def _start(self, task: Task, output: int) -> Child:
        stage = STAGE.fullmatch(task.command)
        child = None
        if self.forkserver and stage:
            words = [each for each in stage.groups() if each]
            child = self.forkserver.start(Job(words, task.cwd, task.env), output)
        return child or subprocess.Popen(
            _make_cmd(get_executable(), task.command),
            cwd=task.cwd, env=task.env, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip

    def _signal(self, group: int, number: int) -> None:
        with suppress(OSError):  # it has ended
            os.killpg(group, number)

    def _read(self, name: str, readable: int) -> None:
        with open(readable, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self.tell(name, line.rstrip("\n"))


class ForkServer:
    """Our end of the fork server."""

    def __init__(self, root: Path) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(theirs.fileno()), str(os.getpid()), ABOUT],
                cwd=root, env=os.environ | KEEPS_ENVIRONMENT,
                pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def start(self, job: Job, output: int) -> Child | None:
        """A child that runs the job; None where the process is no more (or never came to be: then a
        stage says why).
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(
                    self.channel, [json.dumps(asdict(job)).encode()], [output, theirs.fileno()]
                )
            if pid := ours.recv(NUMBER.size):
                return ForkedChild(NUMBER.unpack(pid)[0], ours)
        except OSError:
            pass
        ours.close()
        return None

    def close(self) -> None:
        """End it, when no child is left; it may still be busy with imports."""
        self.process.kill()
        self.process.wait()
        self.channel.close()


class ForkedChild:
    def __init__(self, pid: int, reply: socket.socket) -> None:
        self.pid, self.reply = pid, reply

    def wait(self) -> int:
        with self.reply:
            code = self.reply.recv(NUMBER.size)
        return (
            NUMBER.unpack(code)[0] if code else -signal.SIGKILL
        )  # the fork server is gone, and its children with it
