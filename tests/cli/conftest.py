"""For the command line: programs as people run them, and a server of recorded answers on a real socket."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.recorded_server import RecordedServer

PERSONAL = (
    "SECRETS_",
    "AGENT_SWARM_",
    "API_KEY",
    "MCP_BASE_URL",
    "DATA_DIR",
    "PORT",
    "HOST",
    "AGENT_",
    "SHUTDOWN_TIMEOUT",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without any setting of ours, and a home of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PERSONAL)}
    return {**inherited, "AGENT_SWARM_HOME": str(home), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return clean_environment(tmp_path / "home")


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """`run("task", "list")`: the program as a process, to its end."""

    def call(
        *arguments: str,
        env: dict[str, str] | None = None,
        stdin: str = "",
        cwd: Path | None = None,
        seconds: float = 60,
    ) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "agent_swarm", *arguments],
            env={**environment, **(env or {})},
            input=stdin,
            cwd=cwd or tmp_path,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return call


@contextmanager
def started(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """The program as a process that a test talks with; killed where the test leaves it running."""
    command = [sys.executable, "-m", "agent_swarm", *arguments]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


@contextmanager
def serving(environment: dict[str, str], data_dir: Path, *, unsaid: str | None = None) -> Iterator[dict[str, str]]:
    """A server on this data directory, until the end; the variables with which the program finds it.

    `unsaid` may not be in what it logs.
    """
    with started(environment, "api", "--port", "0", "--data-dir", str(data_dir)) as running:
        assert running.stdout is not None
        url = next(word for line in running.stdout for word in line.split() if word.startswith("http://"))
        yield {**environment, "AGENT_SWARM_URL": url, "DATA_DIR": str(data_dir)}
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 0
    assert unsaid is None or unsaid not in errors


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server for the tests of a file; the variables with which the program finds it."""
    folder = tmp_path_factory.mktemp("server")
    with serving(clean_environment(folder), folder / "server") as environment:
        yield environment


def caller(environment: dict[str, str], folder: Path | None = None) -> Run:
    """`caller(server)("task", "list")`: the program as a process, in a folder, to its end with `code`."""

    def call(*arguments: str, stdin: str = "", code: int = 0, **variables: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "agent_swarm", *arguments],
            env={**environment, **variables},
            input=stdin,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def swarm(server: dict[str, str]) -> Run:
    """The program, with the server of the file."""
    return caller(server)


def told(swarm: Run, *arguments: str, **options: Any) -> Any:
    """What a command says in JSON."""
    return json.loads(swarm(*arguments, "--json", **options).out)


@pytest.fixture
def recorded_server() -> Iterator[RecordedServer]:
    with RecordedServer() as server:
        yield server


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Sequence[str]]:
    """Writes a stand-in child and answers how to start it."""
    counter = iter(range(100))

    def write(source: str) -> Sequence[str]:
        path = tmp_path / f"child{next(counter)}.py"
        path.write_text(source, encoding="utf-8")
        return (sys.executable, str(path))

    return write
