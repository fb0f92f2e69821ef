"""The contract of a harness.

A harness turns a task into a process in a sandbox and the process's stream into typed events. It never trusts an exit
code alone: an outcome is good only when the stream ended with the terminal event that the CLI is known to send.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.sandbox.base import Sandbox


def agent_part(state_dir: Path) -> Path:
    """Of a run's state, what the agent itself may write; it only reads the rest."""
    return state_dir / "agent"


class EventKind(StrEnum):
    """What an agent did; one line of a transcript."""

    STARTED = "started"
    TEXT = "text"
    TOOL_CALL = "toolCall"
    TOOL_RESULT = "toolResult"
    DENIED = "denied"
    MESSAGE = "message"
    PROGRESS = "progress"
    USAGE = "usage"
    LOG = "log"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One step of a run. `data` is JSON and is shown to people as it is; it holds no secret the harness knows of.

    `started`: {"session"?, "pid"?} · `text`: {"text"} · `toolCall`: {"id", "name", "input"} ·
    `toolResult`: {"id", "ok", "output", "diff"?} · `progress`: {"text", "percent"?} ·
    `usage`: {"model"?, "inputTokens", "outputTokens", "costUsd"?}, always the amount since the last one ·
    `denied`: {"id", "name", "input"}, a tool call that its permission profile refused; the agent was told ·
    `message`: {"id", "from", "text"}, something that another agent or a person said to it ·
    `log`: {"stream", "text"} · `ended`: {"exit"}

    A tool call of an agent that the agent itself started names in "parent" the call that did. "diff" is a unified diff.
    """

    kind: EventKind
    data: Mapping[str, Any] = field(default_factory=dict)


class PermissionMode(StrEnum):
    """What an agent may do without asking; who cannot be asked is refused."""

    EDITS = "edits"  # change files in its workspace, and use the tools that are allowed by name
    ALLOWED = "allowed"  # use the tools that are allowed by name, nothing else
    PLAN = "plan"  # look and plan, change nothing
    ALL = "all"  # everything; for agents in a sandbox that keeps them in


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """A permission profile. Tools are named as the agent CLI names them, such as `Bash(git *)`."""

    mode: PermissionMode = PermissionMode.EDITS
    allowed_tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()
    settings: Path | None = None  # a settings file of the agent CLI: hooks and finer rules
    by_sandbox: bool = False  # the sandbox keeps the agent to what it may change, whatever its CLI does


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far one run may go; None means no bound of ours."""

    turns: int | None = None  # model calls
    cost_usd: float | None = None
    silence: timedelta = timedelta(minutes=15)  # without a word from the agent it counts as stalled
    idle: timedelta | None = None  # how long a process is kept for a next message; None ends it with the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What of the host a run of this harness has to be given, beside its workspace."""

    readable: tuple[Path, ...] = ()  # programs that lie outside of the system's folders
    variables: tuple[str, ...] = ()  # of the worker's environment
    secrets: tuple[str, ...] = ()  # those of them whose values are secrets
    credentials: tuple[str, ...] = ()  # those of them of which one is enough; a run gets one value of one of them
    providers: Mapping[str, str] = field(default_factory=dict)  # which one a model needs that is named `provider/model`
    reads_messages: bool = False  # its agent can be told something beside its prompt
    enforces_tools: bool = False  # its agent asks before it uses a tool, and takes no for an answer


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
    session: str | None = None  # go on with this conversation, which knows the prompt
    messages: str = ""  # what others said to the agent before it begins, framed
    context: str = ""  # what earlier attempts did, for an agent that has to begin a new conversation
    answers: str = ""  # what people said to what the task asked them, for whichever conversation goes on
    permissions: Permissions = Permissions()
    bounds: Bounds = Bounds()
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # as the `mcpServers` of MCP clients

    @property
    def agent_dir(self) -> Path:
        """The part of `state_dir` that the agent may write. It may be full of links: `kept.home` writes there."""
        return agent_part(self.state_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. `result` is shown to people and handed to dependants."""

    ok: bool
    result: str = ""
    data: Mapping[str, Any] | None = None  # structured result, where the agent gave one
    failure: FailureClass | None = None
    failure_code: str = ""  # such as `exitCode`, `authentication`, `rateLimit`, `interrupted`
    message: str = ""
    retry_at: float | None = None  # Unix seconds before which trying again is useless


Emit = Callable[[AgentEvent], Awaitable[None]]


class Session(Protocol):
    """A started agent."""

    @property
    def handle(self) -> str | None:
        """What `Turn.session` has to be to go on with this conversation; None where the harness cannot resume."""
        ...

    async def run(self, emit: Emit) -> Outcome:
        """Follow the agent until it has nothing more to do. Where its process is kept, `send` and `run` again."""
        ...

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        """Give the agent a further message; returns when the agent has it.

        It is read when the agent comes to it, or at once where `interrupt` ends what it is doing. A message that comes
        again under its `message_id`, a UUID, is given to a process once. Raises NotDelivered.
        """
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

    @property
    def grants(self) -> Grants: ...

    def available(self) -> str | None:
        """None where it can run on this host; otherwise what is missing and how to get it."""
        ...

    async def open(self, sandbox: Sandbox, turn: Turn) -> Session: ...
