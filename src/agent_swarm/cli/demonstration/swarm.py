"""The demo's own swarm: `agent-swarm up` in a directory of its own, as one process tree."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent_swarm.cli.address import KEY_VARIABLES, Server, key_in
from agent_swarm.cli.client import Client
from agent_swarm.cli.demonstration.plan import ALLOWED_TOOLS
from agent_swarm.cli.failures import CommandFailed, Unreachable
from agent_swarm.cli.leash import leashed
from agent_swarm.cli.orphans import kill_all
from agent_swarm.cli.swarm_processes import free_port
from agent_swarm.domain.errors import SwarmError, Unavailable

WORKERS = 2
AGENTS = ("lead", *(f"worker-{number}" for number in range(1, WORKERS + 1)))
HOST = "127.0.0.1"
START_SECONDS = 120.0  # a busy machine takes its time, and a swarm that ends is told of at once
STOP_SECONDS = 30.0
RECHECK_SECONDS = 0.05
DRAIN_MILLISECONDS = 2000
TAIL_BYTES = 4000
# Of the environment only what programs need to run: the demo is not to meet another swarm's settings or keys.
FOREIGN = ("PORT", "HOST", "DATA_DIR", "AGENT_ID", "AGENT_ROLE", "AGENT_NAME", "MCP_BASE_URL", *KEY_VARIABLES)


@dataclass(frozen=True, slots=True)
class DemoSwarm:
    """A swarm that is up. `up` is the process that holds all others."""

    data_dir: Path
    log: Path
    server: Server
    up: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def client(self) -> Client:
        """Speaks with its server."""
        return Client(self.server)

    def stop(self) -> set[int]:
        """End it in good order, then kill whatever is left; which processes that were."""
        if self.up.poll() is None:
            self.up.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.up.wait(STOP_SECONDS)
        if self.up.poll() is None:
            self.up.kill()
            self.up.wait()
        return kill_all()

    def last_words(self) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return self.log.read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace")
        return ""


@contextmanager
def running(data_dir: Path) -> Iterator[DemoSwarm]:
    """A swarm with a lead and two workers in `data_dir`; nothing of it is left afterwards, however the block ends."""
    port = free_port(HOST, 0)
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "up.log"
    swarm = _start(data_dir, log, port)
    try:
        yield _once_up(swarm)
    finally:
        swarm.stop()


def _start(data_dir: Path, log: Path, port: int) -> DemoSwarm:
    arguments = ("--data-dir", str(data_dir), "--host", HOST, "--port", str(port))
    argv = (sys.executable, "-m", "agent_swarm", "up", "--workers", str(WORKERS), "--harness", "script", *arguments)
    with log.open("wb") as output:
        # A session of its own: Ctrl-C is for the demo, which then ends the swarm in order.
        up = subprocess.Popen(
            leashed(argv),
            env=_environment(data_dir),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return DemoSwarm(data_dir, log, Server(f"http://{HOST}:{port}"), up)


def _environment(data_dir: Path) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN and not name.startswith(("AGENT_SWARM_", "GIT_"))
    }
    return {
        **inherited,
        "AGENT_SWARM_HOME": str(data_dir / "home"),
        "SHUTDOWN_TIMEOUT": str(DRAIN_MILLISECONDS),
        "AGENT_SWARM_ALLOWED_TOOLS": ALLOWED_TOOLS,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def _once_up(swarm: DemoSwarm) -> DemoSwarm:
    """The swarm with its key, once all agents have registered; raises CommandFailed with its log where that fails."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        if swarm.up.poll() is not None:
            raise CommandFailed(
                f"the swarm ended at once, with exit code {swarm.up.returncode}", hint=swarm.last_words()
            )
        ready = DemoSwarm(swarm.data_dir, swarm.log, Server(swarm.server.url, key_in(swarm.data_dir)), swarm.up)
        if ready.server.key and _agents_here(ready) >= set(AGENTS):
            return ready
        time.sleep(RECHECK_SECONDS)
    raise CommandFailed(f"the swarm was not up within {START_SECONDS:.0f} s", hint=swarm.last_words())


def _agents_here(swarm: DemoSwarm) -> set[str]:
    try:
        agents = Client(swarm.server, retry_seconds=()).items("/api/agents", "agents")
    except (Unreachable, Unavailable):
        return set()
    except SwarmError as exc:
        raise CommandFailed(f"the swarm refuses its own key: {exc.message}", hint=swarm.last_words()) from exc
    return {agent["name"] for agent in agents if agent["status"] != "offline"}
