"""A supervisor process as the worker sees it: started, given orders, listened to."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import agent_swarm
from agent_swarm.sandbox.control import LaunchOrder
from agent_swarm.sandbox.pipes import Streams

# Not `-m`: without site-packages (-S) the package has to be shown the way; last, so that it hides nothing.
_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from agent_swarm.sandbox.supervise import main; main()"
_IMPORT_ROOT = str(Path(agent_swarm.__file__).parent.parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A command line that makes a sandbox and runs in it what is appended, as the first process of a PID namespace.

    Descriptors in `inherits` are given to that process.
    """

    argv: tuple[str, ...]
    inherits: tuple[int, ...] = ()


class SupervisorLink:
    """The process and our end of the socket to it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reports: asyncio.StreamReader, orders: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._handle = _ProcessHandle(process.pid)
        self._reports = reports
        self._orders = orders

    @classmethod
    async def open(cls, env: Mapping[str, str], enclosure: Enclosure | None = None) -> tuple[Self, Streams]:
        """A supervisor that waits for its launch order, and its streams. OSError when the host has no more to give."""
        around = enclosure.argv if enclosure else ()
        inherits = enclosure.inherits if enclosure else ()
        parent = os.getpid() if enclosure is None else 0
        ours, theirs = socket.socketpair()
        with ExitStack() as child_ends, ExitStack() as on_failure:
            child_ends.callback(theirs.close)
            on_failure.callback(ours.close)
            streams = await Streams.open(child_ends)
            on_failure.callback(streams.close)
            stdin, stdout, stderr = streams.child_fds
            process = await asyncio.create_subprocess_exec(
                *around,
                *(sys.executable, "-I", "-S", "-c", _BOOT, _IMPORT_ROOT, str(theirs.fileno()), str(parent)),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=env,
                cwd="/",
                pass_fds=[theirs.fileno(), *inherits],
                start_new_session=True,
            )
            on_failure.pop_all()
        reports, orders = await asyncio.open_connection(sock=ours)
        return cls(process, reports, orders), streams

    @property
    def pid(self) -> int:
        """The process id of it, or of what it is enclosed in: free for nobody else until `ended` returns."""
        return self._process.pid

    async def launch(self, order: LaunchOrder) -> None:
        """Tell it what to start; lost on a supervisor that is gone."""
        try:
            self._orders.write(order.to_frame())
            await self._orders.drain()
        except ConnectionError:
            return

    def order(self, text: str) -> None:
        """Send one line of `control`'s language; lost on a supervisor that is gone."""
        if not self._orders.is_closing():
            self._orders.write(text.encode() + b"\n")

    async def report(self) -> list[str] | None:
        """The words of its next report; None when it is gone."""
        try:
            line = await self._reports.readline()
        except (ConnectionError, ValueError):  # it died with orders of ours unread; or sent what is no line of ours
            return None
        return line.decode(errors="replace").split() if line else None

    def kill(self) -> None:
        """SIGKILL to the supervisor alone: its command dies with it, the command's descendants do not."""
        self._handle.kill()

    async def ended(self) -> None:
        """Wait for its end and close the socket."""
        await self._process.wait()
        self._handle.close()
        self._orders.close()


class _ProcessHandle:
    """Signals a child without a race against asyncio, which reaps it on a thread of its own.

    `Process.kill` would reap as well (Popen.send_signal polls first), and leave asyncio without an exit status.
    """

    def __init__(self, pid: int) -> None:
        self._pid: int | None = pid
        self._pidfd: int | None = None
        if sys.platform == "linux":
            try:
                self._pidfd = os.pidfd_open(pid)
            except ProcessLookupError:  # it has ended and been reaped already: an enclosure that cannot be made
                self._pid = None

    def kill(self) -> None:
        try:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            elif self._pid is not None:
                os.kill(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def close(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._pid = self._pidfd = None
