"""The contract of a harness.

A harness turns a task into a process in a sandbox and the process's stream into typed events. It never trusts an exit
code alone: an outcome is good only when the stream ended with the terminal event that the CLI is known to send.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.sandbox.base import Sandbox


class EventKind(StrEnum):
    """What an agent did; one line of a transcript."""

    STARTED = "started"
    TEXT = "text"
    TOOL_CALL = "toolCall"
    TOOL_RESULT = "toolResult"
    PROGRESS = "progress"
    USAGE = "usage"
    LOG = "log"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One step of a run. `data` is JSON and is shown to people as it is; it holds no secret the harness knows of.

    `started`: {"session"?, "pid"?} · `text`: {"text"} · `toolCall`: {"id", "name", "input"} ·
    `toolResult`: {"id", "ok", "output"} · `progress`: {"text", "percent"?} ·
    `usage`: {"model"?, "inputTokens", "outputTokens", "costUsd"?}, always the amount since the last one ·
    `log`: {"stream", "text"} · `ended`: {"exit"}
    """

    kind: EventKind
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the agent is asked to do, and where."""

    task_id: str
    attempt: int
    prompt: str
    workspace: Path
    state_dir: Path  # for files of the harness: prompts, settings; outside the workspace, removed with the run
    env: Mapping[str, str]  # the whole environment of the agent
    model: str | None = None
    system_prompt: str | None = None
    session: str | None = None  # resume this conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. `result` is shown to people and handed to dependants."""

    ok: bool
    result: str = ""
    data: Mapping[str, Any] | None = None  # structured result, where the agent gave one
    failure: FailureClass | None = None
    failure_code: str = ""  # such as `exitCode`, `authentication`, `rateLimit`, `interrupted`
    message: str = ""


Emit = Callable[[AgentEvent], Awaitable[None]]


class Session(Protocol):
    """A started agent."""

    @property
    def handle(self) -> str | None:
        """What `Turn.session` has to be to go on with this conversation; None where the harness cannot resume."""
        ...

    async def run(self, emit: Emit) -> Outcome:
        """Follow the agent to its end."""
        ...

    async def interrupt(self) -> None:
        """Ask the agent to stop what it does; `run` then returns within the harness's grace period."""
        ...

    async def close(self) -> None:
        """End the agent and every descendant; idempotent."""
        ...


class Harness(Protocol):
    """A kind of agent CLI."""

    @property
    def name(self) -> str: ...

    def available(self) -> str | None:
        """None where it can run on this host; otherwise what is missing and how to get it."""
        ...

    async def open(self, sandbox: Sandbox, turn: Turn) -> Session: ...
