"""A NATS server for tests, and a cluster of three whose nodes can be killed, stopped for a while and started again.

The server at `TEST_NATS_URL`, else one started from the binary of a PyPI wheel. What is started listens on loopback,
belongs to this process (it is killed when the process dies) and leaves nothing behind.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

_START_SECONDS = 30
_POLL_SECONDS = 0.02
NODES = 3


def binary() -> Path | None:
    """The program `nats-server`: beside this interpreter, else on PATH; None where there is none."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    return Path(found) if found else None


@contextmanager
def server(*arguments: str) -> Iterator[str]:
    """The URL of a running server with JetStream; with `arguments` of its own it is always one that was started."""
    given = os.environ.get("TEST_NATS_URL", "").strip()
    if given and not arguments:
        yield given
        return
    with nodes(1, *arguments) as started:
        yield started.urls[0]


@contextmanager
def cluster(*arguments: str) -> Iterator["Nodes"]:
    """Three servers that form one cluster with JetStream."""
    with nodes(NODES, *arguments) as started:
        yield started


@contextmanager
def nodes(count: int, *arguments: str, jetstream: bool = True) -> Iterator["Nodes"]:
    """So many servers; a single one knows nothing of clusters."""
    program = binary()
    if program is None:
        raise RuntimeError("no NATS server: set TEST_NATS_URL or install the test dependencies")
    folder = Path(tempfile.mkdtemp(prefix="swarm-nats-"))
    started = Nodes(program, folder, count, arguments, jetstream=jetstream)
    try:
        started.start_all()
        started.wait_until_ready()
        yield started
    finally:
        for number in range(count):
            started.kill(number)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Ports:
    client: int
    route: int
    monitor: int


class Nodes:
    """The servers by number, from 0. A node keeps its ports and its files when it is started again."""

    def __init__(self, program: Path, folder: Path, count: int, arguments: tuple[str, ...], *, jetstream: bool) -> None:
        self._jetstream = jetstream
        self._program = program
        self._folder = folder
        self._arguments = arguments
        free = _free_ports(3 * count)
        self._ports = [_Ports(*free[3 * number : 3 * number + 3]) for number in range(count)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def folder(self) -> Path:
        """Where they keep everything: what JetStream stores, and their logs."""
        return self._folder

    @property
    def urls(self) -> list[str]:
        """Where clients connect, one URL per node."""
        return [f"nats://127.0.0.1:{ports.client}" for ports in self._ports]

    def name(self, number: int) -> str:
        """What the node calls itself, in JetStream's leader for instance."""
        return f"node-{number}"

    def number(self, name: str) -> int:
        """The node of this name."""
        return int(name.removeprefix("node-"))

    def start_all(self) -> None:
        """Start those that do not run; returns before they are ready."""
        for number in range(len(self._ports)):
            self.restart(number)

    def restart(self, number: int) -> None:
        """Start a node that does not run; returns before it is ready."""
        if number in self._processes:
            return
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if sys.platform == "linux" else []
        with (self._folder / f"{number}.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [*guard, str(self._program), *self._command(number)], stdout=log, stderr=log
            )

    def kill(self, number: int) -> None:
        """End a node without a warning (SIGKILL), whatever it does."""
        process = self._processes.pop(number, None)
        if process is not None:
            process.kill()
            process.wait(_START_SECONDS)

    def wipe(self, number: int) -> None:
        """Remove what a node that does not run has stored."""
        shutil.rmtree(self._folder / f"{number}", ignore_errors=True)

    def pause(self, number: int) -> None:
        """Stop a node in the middle of whatever it does (SIGSTOP); its connections stay open."""
        self._processes[number].send_signal(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Have a stopped node go on."""
        self._processes[number].send_signal(signal.SIGCONT)

    def is_ready(self, number: int) -> bool:
        """The node says that it is healthy: JetStream works and is level with its peers."""
        try:
            health = f"http://127.0.0.1:{self._ports[number].monitor}/healthz"
            with urllib.request.urlopen(health, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def wait_until_ready(self) -> None:
        """Block until all nodes are; RuntimeError with what they wrote where that takes too long."""
        for _ in range(int(_START_SECONDS / _POLL_SECONDS)):
            if all(self.is_ready(number) for number in self._processes):
                return
            if any(process.poll() is not None for process in self._processes.values()):
                break
            subprocess.run(["sleep", str(_POLL_SECONDS)], check=True)
        written = "\n".join(log.read_text(errors="replace") for log in sorted(self._folder.glob("*.log")))
        raise RuntimeError(f"NATS did not start:\n{written}")

    def _command(self, number: int) -> list[str]:
        own = self._ports[number]
        command = ["-a", "127.0.0.1", "-p", str(own.client), "-m", str(own.monitor), "-n", self.name(number)]
        command += ["-js", "-sd", str(self._folder / f"{number}")] if self._jetstream else []
        command += self._arguments
        if len(self._ports) > 1:
            routes = [f"nats://127.0.0.1:{ports.route}" for ports in self._ports if ports != own]
            command += ["--cluster_name", "swarm", "--cluster", f"nats://127.0.0.1:{own.route}"]
            command += ["--routes", ",".join(routes)]
        return command


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now, each one once."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in taken]
    finally:
        for each in taken:
            each.close()
