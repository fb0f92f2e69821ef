"""The servers that are measured: ours, the prototype it is compared with, and a bare echo."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks import processes

KEY = "the-key-of-the-benchmarks-0123456789"
START_SECONDS = 30.0
POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server on a loopback port."""

    port: int
    pid: int
    key: str = KEY


Serve = Callable[[Path], AbstractContextManager[Server]]


@contextmanager
def agent_swarm(folder: Path, *, database: str = "") -> Iterator[Server]:
    """`agent-swarm api` over `folder`, or over the database at this address, ready, until the block ends."""
    port = processes.free_port()
    variables = {"AGENT_SWARM_DATABASE_URL": database} if database else {}
    with _serving(command(port, folder), folder, port, ready="/ready", variables=variables) as server:
        yield server


@contextmanager
def echo(folder: Path) -> Iterator[Server]:
    """The bare ASGI app."""
    port = processes.free_port()
    argv = [sys.executable, "-m", "benchmarks.prototype.echo", str(port)]
    with _serving(argv, folder, port, ready="/") as server:
        yield server


@contextmanager
def prototype(folder: Path) -> Iterator[Server]:
    """The bare loop over `folder`."""
    port = processes.free_port()
    argv = [sys.executable, "-m", "benchmarks.prototype", str(port), str(folder)]
    with _serving(argv, folder, port, ready="/ready") as server:
        yield server


def command(port: int, folder: Path) -> list[str]:
    """How our server is started."""
    return [str(processes.COMMAND), "api", "--port", str(port), "--data-dir", str(folder), "--log-level", "warning"]


@contextmanager
def _serving(
    argv: Sequence[str], folder: Path, port: int, *, ready: str, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    with processes.running(argv, env={"API_KEY": KEY, **(variables or {})}, log=log) as process:
        until_answered(process, port, ready, log)
        yield Server(port=port, pid=process.pid)


def until_answered(process: "subprocess.Popen[bytes]", port: int, path: str, log: Path) -> None:
    """Return with the first 200 to `path`."""
    give_up_at = time.monotonic() + START_SECONDS
    while not answers(port, path):
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"{path} was not answered; the server said:\n{log.read_text(errors='replace')}")
        time.sleep(POLL_SECONDS)


def answers(port: int, path: str) -> bool:
    """Whether a GET of `path` is answered by 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
