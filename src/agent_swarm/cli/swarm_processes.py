"""The processes of a swarm on one machine: which, with what environment, in which order."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent_swarm.cli.address import KEY_VARIABLES, URL_VARIABLES, Server, key_in
from agent_swarm.cli.agent_ids import remembered_ids
from agent_swarm.cli.child import ChildSpec
from agent_swarm.cli.client import Client
from agent_swarm.cli.failures import CommandFailed, Unreachable
from agent_swarm.cli.supervisor import Stage
from agent_swarm.domain.errors import Unavailable

SERVER_GRACE_SECONDS = 15.0
DRAIN_MILLISECONDS = 30_000  # default of SHUTDOWN_TIMEOUT
SUPERSEDED = 3  # exit code of worker.worker: a newer process runs under this AGENT_ID
AFTER_DRAIN_SECONDS = 29.0  # a worker may need 27 s to interrupt what still runs, tell the server and leave
RECHECK_SECONDS = 0.05
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to dial instead
DATABASE_VARIABLE = "AGENT_SWARM_DATABASE_URL"
NATS_VARIABLE = "AGENT_SWARM_NATS_URL"
# What concerns one process: a worker must not take the server's port, nor all of them one identity.
ENCRYPTION = tuple(f"SECRETS_ENCRYPTION_KEY{rest}" for rest in ("", "_FILE", "_REF", "_PREVIOUS", "_PREVIOUS_FILE"))
BACKENDS = ("VAULT_TOKEN", "VAULT_ROLE_ID", "VAULT_SECRET_ID")
OF_THE_SERVER = (*ENCRYPTION, *BACKENDS, "PORT", "HOST", DATABASE_VARIABLE, NATS_VARIABLE, "AGENT_SWARM_NATS_CREDS")
PERSONAL = frozenset(
    {*OF_THE_SERVER, "AGENT_ID", "AGENT_NAME", "AGENT_ROLE", "TEMPLATE_ID", *URL_VARIABLES, *KEY_VARIABLES}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """What `up` was asked to run. `workers_dir` None leaves the workers' files where they always are.

    Without `api_key` the server makes one, in its data directory.
    """

    host: str
    port: int
    data_dir: Path
    api_key: str = field(default="", repr=False)
    workers: int
    slots: int
    has_lead: bool
    harness: str | None
    template: str = ""  # of the workers
    lead_template: str = ""
    workers_dir: Path | None
    environ: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Where this machine reaches the server."""
        host = WILDCARDS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def agents(self) -> list[str]:
        """The names of the lead and the workers."""
        return [*(["lead"] if self.has_lead else []), *(f"worker-{number}" for number in range(1, self.workers + 1))]

    def template_of(self, name: str) -> str:
        """What an agent starts from the first time; empty where it is nothing."""
        return self.lead_template if name == "lead" else self.template

    def server(self) -> Server:
        """The address and the operators' key, which is known once the server is up."""
        return Server(self.url, self.api_key or key_in(self.data_dir))


def stages(swarm: Swarm) -> Sequence[Stage]:
    """The server first; once it answers, the lead and the workers. They end in the reverse order."""
    return (
        Stage(lambda: [_server_process(swarm)], lambda: _until(lambda: _is_healthy(swarm))),
        Stage(lambda: _agent_processes(swarm), lambda: _until(lambda: _are_here(swarm))),
    )


async def _until(holds: Callable[[], bool]) -> None:
    """Return once it holds; a server that does not answer yet is asked again."""
    while True:
        with contextlib.suppress(Unreachable, Unavailable):
            if await asyncio.to_thread(holds):
                return
        await asyncio.sleep(RECHECK_SECONDS)


def _is_healthy(swarm: Swarm) -> bool:
    _asker(Server(swarm.url)).get("/health")
    return True


def _are_here(swarm: Swarm) -> bool:
    """All agents have registered."""
    agents = _asker(swarm.server()).items("/api/agents", "agents")
    here = {agent["id"] for agent in agents if agent["status"] != "offline"}
    return here.issuperset(remembered_ids(swarm.data_dir, swarm.agents).values())


def _asker(server: Server) -> Client:
    """A client that gives up at once: who asks again and again must not be held up when the server goes."""
    return Client(server, answer_seconds=2.0, retry_seconds=())


def free_port(host: str, port: int) -> int:
    """`port`, or one that the system chooses where it is 0.

    Raises CommandFailed where another program listens there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: TIME_WAIT is no obstacle
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as exc:
        raise CommandFailed(
            f"cannot listen on {host}:{port}: {exc.strerror or exc}",
            hint="another swarm may run here; see agent-swarm overview, or choose another --port",
        ) from exc


def _server_process(swarm: Swarm) -> ChildSpec:
    arguments = ("--host", swarm.host, "--port", str(swarm.port), "--data-dir", str(swarm.data_dir))
    environ = {name: value for name, value in swarm.environ.items() if name not in ("PORT", "HOST", "DATA_DIR")}
    return ChildSpec(name="server", argv=_program("api", *arguments), env=environ, grace_seconds=SERVER_GRACE_SECONDS)


def _agent_processes(swarm: Swarm) -> list[ChildSpec]:
    server = swarm.server()
    ids = remembered_ids(swarm.data_dir, swarm.agents)
    grace = drain_seconds(swarm.environ) + AFTER_DRAIN_SECONDS
    shared = {name: value for name, value in swarm.environ.items() if name not in PERSONAL}
    shared |= {"MCP_BASE_URL": server.url, "API_KEY": server.key, "MAX_CONCURRENT_TASKS": str(swarm.slots)}
    if swarm.harness is not None:
        shared["HARNESS_PROVIDER"] = swarm.harness
    if swarm.workers_dir is not None:
        shared["AGENT_SWARM_WORKER_DIR"] = str(swarm.workers_dir)
    return [
        ChildSpec(
            name=name,
            argv=_program("lead" if name == "lead" else "worker"),
            env={**shared, "AGENT_ID": ids[name], "AGENT_NAME": name, "TEMPLATE_ID": swarm.template_of(name)},
            grace_seconds=grace,
            final_codes=frozenset({SUPERSEDED}),
        )
        for name in swarm.agents
    ]


def drain_seconds(environ: Mapping[str, str]) -> float:
    """How long workers let runs go on after SIGTERM; what is not a number is theirs to complain about."""
    try:
        return float(environ.get("SHUTDOWN_TIMEOUT", "").strip() or DRAIN_MILLISECONDS) / 1000
    except ValueError:
        return DRAIN_MILLISECONDS / 1000


def _program(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "agent_swarm", *arguments)


def environment() -> dict[str, str]:
    """What the processes inherit: this process's environment, with their output coming line by line."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}
