"""A swarm of real processes for tests: a server and workers that can be killed and started again, driven over REST."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent_swarm.domain.ids import new_id
from agent_swarm.protocol import limits
from agent_swarm.testing.faults.crash import Crash

_REQUEST_SECONDS = 30
_END_SECONDS = 60
_POLL_SECONDS = 0.05


class RealSwarm:
    """Everything lives below `folder`; `close` ends what still runs. Leases may be shorter than they are (30 s)."""

    def __init__(self, folder: Path, *, lease_seconds: float = limits.LEASE_SECONDS) -> None:
        self.folder = folder
        self.lease_seconds = lease_seconds
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = "test-key-" + new_id()
        self._server: subprocess.Popen[bytes] | None = None
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._slots: dict[str, int] = {}
        self.marks = folder / "marks"  # where agents leave a trace of having run
        self.marks.mkdir(parents=True, exist_ok=True)

    @property
    def database(self) -> Path:
        """Where the server keeps its state."""
        return self.folder / "server" / "agent-swarm-db.sqlite"

    # --- processes ----------------------------------------------------------------------------------------------------

    def start_server(self, *, crash: Crash | None = None, variables: Mapping[str, str] | None = None) -> None:
        """Start it, or start it again on the same port and data; returns once it is ready."""
        data_dir = str(self.folder / "server")
        flags = ("--port", str(self.port), "--data-dir", data_dir)
        self._server = self._spawn("server", "api", *flags, crash=crash, variables=variables)
        self.wait_until(lambda: self._status("/ready") == 200, "the server is ready")

    def wait_for_server(self) -> int:
        """Wait until it has ended; its exit code, or minus the signal that ended it."""
        assert self._server is not None
        return self._server.wait(_END_SECONDS)

    def kill_server(self) -> None:
        """SIGKILL."""
        assert self._server is not None
        kill(self._server)

    def signal_server(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP."""
        assert self._server is not None
        self._server.send_signal(number)

    def start_worker(
        self,
        *,
        slots: int = 1,
        agent_id: str | None = None,
        host: str = "workers",
        variables: Mapping[str, str] | None = None,
        crash: Crash | None = None,
    ) -> str:
        """Start a worker, or start it again under the same AGENT_ID; answers that id. Hosts share no files."""
        agent_id = agent_id or new_id()
        slots = self._slots.setdefault(agent_id, slots)
        flags = ("--id", agent_id, "--slots", str(slots), "--workers-dir", str(self.folder / host))
        self._workers[agent_id] = self._spawn(
            f"worker-{agent_id[-4:]}", "worker", *flags, variables=variables, crash=crash
        )
        return agent_id

    def process_of(self, agent_id: str) -> "subprocess.Popen[bytes]":
        """The worker's process."""
        return self._workers[agent_id]

    def kill_worker(self, agent_id: str) -> None:
        """SIGKILL."""
        kill(self._workers[agent_id])

    def signal_worker(self, agent_id: str, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP."""
        self._workers[agent_id].send_signal(number)

    def wait_for_worker(self, agent_id: str) -> int:
        """Wait until it has ended; its exit code, or minus the signal that ended it."""
        return self._workers[agent_id].wait(_END_SECONDS)

    def stop_worker(self, agent_id: str) -> int:
        """SIGTERM; answers its exit code."""
        self._workers[agent_id].send_signal(signal.SIGTERM)
        return self._workers[agent_id].wait(_END_SECONDS)

    def close(self) -> None:
        """End everything."""
        for process in (*self._workers.values(), *([self._server] if self._server else [])):
            if process.poll() is None:
                kill(process)

    def _spawn(
        self, name: str, *arguments: str, variables: Mapping[str, str] | None = None, crash: Crash | None = None
    ) -> "subprocess.Popen[bytes]":
        environment = {
            **{name: os.environ[name] for name in ("PATH", "COPILOT_CACHE_HOME") if name in os.environ},
            "HOME": str(self.folder),
            "API_KEY": self.key,
            "MCP_BASE_URL": self.url,
            "SHUTDOWN_TIMEOUT": "1000",
            "AGENT_SWARM_WRITABLE": str(self.marks),
            **(variables or {}),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *self._program(crash), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _program(self, crash: Crash | None) -> tuple[str, ...]:
        """The program as it is, or as faults need it."""
        if crash is None and self.lease_seconds == limits.LEASE_SECONDS:
            return ("agent_swarm",)
        ahead = json.dumps(crash.to_json() if crash is not None else None)
        return ("agent_swarm.testing.faults.launch", str(self.lease_seconds), ahead)

    # --- the API ------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A request with the operator's key; the JSON of its answer. Raises HTTPError for a refusal."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as reply:
            return json.loads(reply.read())

    def file(self, *tasks: dict[str, Any]) -> dict[str, str]:
        """File a graph; the ids by `ref`."""
        refs: dict[str, str] = self.call("POST", "/api/tasks/batch", {"tasks": list(tasks)})["refs"]
        return refs

    def task(self, task_id: str) -> Any:
        """One task as it stands."""
        return self.call("GET", f"/api/tasks/{task_id}")

    def statuses(self) -> Counter[str]:
        """How many tasks there are of each status."""
        told = self.call("GET", "/api/overview")["tasks"]
        return Counter({status: number for status, number in told.items() if number})

    def events(self) -> list[Any]:
        """The whole history."""
        told: list[Any] = []
        while True:
            page = self.call("GET", f"/api/events?after={told[-1]['seq'] if told else 0}&limit=200")
            if not page["events"]:
                return told
            told.extend(page["events"])

    def completions(self) -> Counter[str]:
        """How often each task was completed."""
        return Counter(event["taskId"] for event in self.events() if event["type"] == "task.completed")

    def wait_until(self, holds: Callable[[], bool], what: str, within: float = 90) -> None:
        """Poll until `holds`; a server that is away counts as no."""
        for _ in range(int(within / _POLL_SECONDS)):
            with suppress(OSError):
                if holds():
                    return
            time.sleep(_POLL_SECONDS)
        raise AssertionError(f"not within {within} s: {what}\n{self._logs()}")

    def wait_for_all(self, number: int, within: float = 120) -> None:
        """Wait until this many tasks have completed."""
        self.wait_until(lambda: self.statuses()["completed"] == number, f"{number} completed tasks", within)

    def _status(self, path: str, address: str = "") -> int:
        try:
            with urllib.request.urlopen((address or self.url) + path, timeout=_REQUEST_SECONDS) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as exc:
            return exc.code

    def _logs(self) -> str:
        tails = (f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in self.folder.glob("*.log"))
        return "\n".join(tails)


def processes_below(folder: Path) -> list[int]:
    """Processes whose environment or directory points below `folder`: what a run left behind."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            about = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            if os.fsencode(folder) in about:
                found.append(int(entry.name))
    return found


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL, and wait for its end."""
    process.send_signal(signal.SIGKILL)
    process.wait(_END_SECONDS)


def free_port() -> int:
    """A port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
