"""The contract of a sandbox: start processes, talk to them, and leave nothing of them behind.

A provider declares its capabilities; what it cannot enforce it does not claim. `probe` finds out on this host, by
trying, whether the provider works at all.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class SandboxCapability(StrEnum):
    """What a provider can enforce."""

    REAPS_DESCENDANTS = "reapsDescendants"  # nothing survives close(), daemonised and setsid children included
    FILESYSTEM_ISOLATED = "filesystemIsolated"
    NETWORK_OFF = "networkOff"
    NETWORK_ALLOWLIST = "networkAllowlist"  # only what is on a list can be reached
    MEMORY_LIMIT = "memoryLimit"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a provider works here; `remedy` says what to install or change where it does not."""

    usable: bool
    detail: str = ""
    remedy: str = ""


class NetworkMode(StrEnum):
    """How much of the network a run gets."""

    ON = "on"  # the host's, its loopback included
    OFF = "off"  # none
    ALLOW = "allow"  # what is on a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network of a run. The lists count in mode `allow` only; how an entry reads is in `sandbox.allowlist`.

    `own` are exact `host:port` entries that the operator vouches for: unlike those of `allow` they may be names of
    private addresses, as the server's name is in many networks.
    """

    mode: NetworkMode = NetworkMode.ON
    allow: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What one run needs. `state_dir` outlives a killed worker: its next start finds there what to clean up.

    `env` goes to every process of the run; a launch's own entries win. A provider that isolates files shows the
    workspace and `writable` for writing, `readable` for reading, what programs need, and nothing else. One that does
    not ignores both, unless `requires` says that this will not do. `state_dir` is the worker's, and never shown.
    """

    run_id: str
    workspace: Path
    state_dir: Path
    env: Mapping[str, str] = field(default_factory=dict)
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    network: Network = field(default_factory=Network)
    requires: frozenset[SandboxCapability] = frozenset()
    read_only: bool = False  # the workspace is shown for reading; needs a provider that isolates files

    @property
    def needs(self) -> frozenset[SandboxCapability]:
        """What a provider has to enforce to be allowed to open this."""
        by_network = {
            NetworkMode.ON: frozenset[SandboxCapability](),
            NetworkMode.OFF: frozenset({SandboxCapability.NETWORK_OFF}),
            NetworkMode.ALLOW: frozenset({SandboxCapability.NETWORK_ALLOWLIST}),
        }
        by_files = {SandboxCapability.FILESYSTEM_ISOLATED} if self.read_only else frozenset()
        return self.requires | by_files | by_network[self.network.mode]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process to start.

    `env`, with the sandbox's own, is everything it gets: nothing is inherited from the worker. The provider may add
    entries named `AGENT_SWARM_…` by which it recognises what belongs to a run, and those that lead to a proxy of its
    own. `readable` and `writable` are shown besides what the sandbox shows: where the program is installed and cannot
    be found from PATH, where it keeps its sessions.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: its exit code, or the number of the signal that ended it."""

    code: int | None
    signal: int | None = None

    @property
    def ok(self) -> bool:
        """It ended by itself with exit code 0. Says nothing about whether an agent did its work."""
        return self.code == 0

    def describe(self) -> str:
        """Such as `exit code 3` or `signal 9`."""
        return f"signal {self.signal}" if self.signal is not None else f"exit code {self.code}"


class Process(Protocol):
    """A started process with its descendants."""

    @property
    def pid(self) -> int: ...

    def lines(self) -> AsyncIterator[bytes]:
        """Its standard output line by line, without the newline, up to 16 MiB a line; ends when the output closes."""
        ...

    def error_tail(self) -> str:
        """The last 16 KiB of its standard error, decoded."""
        ...

    async def write(self, data: bytes) -> None:
        """Send `data` to its standard input; silently dropped once it no longer reads."""
        ...

    async def close_input(self) -> None: ...

    async def wait(self) -> Exit:
        """Wait until it has ended and every descendant is gone. Any number of tasks may wait, and give up waiting."""
        ...

    def interrupt(self) -> None:
        """Send SIGINT to the process, and to it alone; nothing happens once it has ended."""
        ...

    async def stop(self, grace: timedelta) -> Exit:
        """SIGTERM, after `grace` SIGKILL, to the process and every descendant; returns once nothing is left."""
        ...

    async def kill(self) -> Exit:
        """SIGKILL to the process and every descendant; returns once nothing is left."""
        ...


class Sandbox(Protocol):
    """One run's place, opened by a provider."""

    async def start(self, launch: Launch) -> Process: ...

    def kill(self) -> None:
        """SIGKILL to everything in it, now, without waiting for the end; `close` waits."""
        ...

    async def close(self) -> None:
        """Kill what still runs and free what the sandbox holds; idempotent, and safe before the first start."""
        ...


class SandboxProvider(Protocol):
    """A kind of isolation."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[SandboxCapability]: ...

    async def probe(self) -> Probe: ...

    async def open(self, spec: SandboxSpec) -> Sandbox: ...

    async def sweep(self, state_dir: Path) -> int:
        """End what a killed worker left running as recorded under `state_dir`, nothing else; how many processes."""
        ...
