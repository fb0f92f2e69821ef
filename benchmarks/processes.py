"""Programs under measurement: started, looked at, and ended by their pid."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).parent.parent
COMMAND = Path(sys.executable).parent / "agent-swarm"
PATIENCE = 20.0


@contextmanager
def running(argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process for the length of the block; what it prints goes to `log`."""
    with log.open("wb") as output:
        process = start(argv, env=env, output=output)
        try:
            yield process
        finally:
            end(process)


def start(argv: Sequence[str], *, env: Mapping[str, str], output: IO[bytes] | int) -> "subprocess.Popen[bytes]":
    """A process in an environment of our own with `env` added."""
    return subprocess.Popen(
        list(argv), cwd=ROOT, env={**environment(), **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )


def end(process: "subprocess.Popen[bytes]") -> None:
    """In good order, else by force."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def environment() -> dict[str, str]:
    """Ours without what would configure the program."""
    ours = ("AGENT_SWARM", "API_KEY", "MCP_BASE_URL", "DATA_DIR", "PORT", "HOST")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rss(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(psutil.Process(pid).memory_info().rss)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)
