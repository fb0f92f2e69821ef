"""What a line of Claude Code's output means. Pure: it is fed lines, also such as are none of its own.

Seen with the versions 2.1.197 to 2.1.332. Lines of an unknown type mean nothing; lines that are no JSON are passed on
as log lines up to a bound, because some program may write into the agent's output, and at any length.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.claude.diffs import unified
from agent_swarm.harness.claude.outcomes import outcome_of
from agent_swarm.harness.claude.usage import Meter
from agent_swarm.harness.kept.heard import NOTHING, Heard, Strays, as_dict, as_dicts, as_text, log

NAME = "claude"
_REFUSED = frozenset({"failed", "needs-auth", "disabled"})  # what an MCP server is that the agent will not get
_BEGUN = frozenset({"started", "completed", "cancelled"})  # states of a message that is not in the queue any more


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeHeard(Heard):
    """What one line says, with what only this CLI says."""

    asks: str | None = None  # a control request of its own


@dataclass(slots=True)
class Reading:
    """Reads one process's output, line by line, and remembers what has to be known at its end."""

    meter: Meter
    session: str | None = None  # told by the first line
    resets_at: float | None = None  # Unix seconds: when a limit of the account ends
    _strays: Strays = field(default_factory=Strays)
    _told_denials: set[str] = field(default_factory=set)
    _handlers: Mapping[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._handlers = {
            "system": self._system,
            "assistant": _assistant,
            "user": _user,
            "stream_event": self._partial,
            "rate_limit_event": self._rate_limit,
            "command_lifecycle": _lifecycle,
            "control_request": lambda body: ClaudeHeard(asks=as_text(body.get("request_id"))),
            "result": self._result,
        }

    def feed(self, line: bytes) -> Heard:
        """What `line` says."""
        body = self._strays.read(line)
        if isinstance(body, Heard):
            return body
        handle = self._handlers.get(str(body.get("type")))
        heard: Heard = handle(body) if handle is not None else NOTHING
        return heard

    def last(self) -> Heard:
        """What is to be said once the output has ended."""
        return self._strays.last()

    def _system(self, body: Mapping[str, Any]) -> Heard:
        match body.get("subtype"):
            case "init":
                return self._init(body)
            case "api_retry":
                return Heard(events=(log(_retry(body), stream=NAME),))
            case "hook_response":
                said = " ".join(as_text(body.get(part)).strip() for part in ("stdout", "stderr")).strip()
                name = as_text(body.get("hook_name") or body.get("hook_event"))
                return Heard(events=(log(f"hook {name}: {said or 'no output'}", stream=NAME),))
            case "compact_boundary":
                return Heard(events=(log("the conversation was compacted", stream=NAME),))
        return NOTHING

    def _init(self, body: Mapping[str, Any]) -> Heard:
        """Sent at the begin of every turn; only the first one is news, beside servers that were lost meanwhile."""
        refused = tuple(
            as_text(server.get("name"))
            for server in as_dicts(body.get("mcp_servers"))
            if server.get("status") in _REFUSED
        )
        if self.session is not None:
            return Heard(refused_servers=refused)
        self.session = as_text(body.get("session_id"))
        about = (
            f"Claude Code {as_text(body.get('claude_code_version'))}, model {as_text(body.get('model'))}, "
            f"permission mode {as_text(body.get('permissionMode'))}"
        )
        started = AgentEvent(EventKind.STARTED, {"session": self.session})
        return Heard(events=(started, log(about, stream=NAME)), refused_servers=refused)

    def _partial(self, body: Mapping[str, Any]) -> Heard:
        """A piece of a message: only what it costs is of interest, the message itself comes whole."""
        return Heard(events=tuple(self.meter.partial(as_dict(body.get("event")))))

    def _rate_limit(self, body: Mapping[str, Any]) -> Heard:
        info = as_dict(body.get("rate_limit_info"))
        resets_at = info.get("resetsAt")
        if info.get("status") == "rejected" and isinstance(resets_at, int | float):
            self.resets_at = float(resets_at)
        return NOTHING

    def _result(self, body: Mapping[str, Any]) -> Heard:
        events = (*self._denied(body), *self.meter.settle(body))
        return Heard(events=events, outcome=outcome_of(body, resets_at=self.resets_at), is_booked=True)

    def _denied(self, body: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Tool calls that were refused, each once: a later turn may name those of an earlier one again."""
        for denial in as_dicts(body.get("permission_denials")):
            call = as_text(denial.get("tool_use_id"))
            if call not in self._told_denials:
                self._told_denials.add(call)
                told = {"id": call, "name": as_text(denial.get("tool_name")), "input": denial.get("tool_input")}
                yield AgentEvent(EventKind.DENIED, told)


def _assistant(body: Mapping[str, Any]) -> Heard:
    """A message of the model; what the CLI itself says about an error comes again in the result."""
    message = as_dict(body.get("message"))
    parent = as_text(body.get("parent_tool_use_id"))
    events = []
    for block in as_dicts(message.get("content")):
        match block.get("type"):
            case "text" if message.get("model") != "<synthetic>":
                events.append(AgentEvent(EventKind.TEXT, {"text": as_text(block.get("text"))}))
            case "tool_use":
                call = {"id": as_text(block.get("id")), "name": as_text(block.get("name")), "input": block.get("input")}
                events.append(AgentEvent(EventKind.TOOL_CALL, {**call, **({"parent": parent} if parent else {})}))
    return Heard(events=tuple(events))


def _user(body: Mapping[str, Any]) -> Heard:
    """Results of tools; or our own message, given back when the agent has come to it."""
    if body.get("isReplay") is True:
        uuid = as_text(body.get("uuid"))
        return Heard(delivered=(uuid,), begun=uuid)
    content = as_dict(body.get("message")).get("content")
    results = [block for block in as_dicts(content) if block.get("type") == "tool_result"]
    diff = unified(body.get("tool_use_result")) if len(results) == 1 else ""
    return Heard(
        events=tuple(
            AgentEvent(
                EventKind.TOOL_RESULT,
                {
                    "id": as_text(block.get("tool_use_id")),
                    "ok": block.get("is_error") is not True,
                    "output": "\n".join(_texts(block.get("content"))),
                    **({"diff": diff} if diff else {}),
                },
            )
            for block in results
        )
    )


def _lifecycle(body: Mapping[str, Any]) -> Heard:
    uuid = as_text(body.get("command_uuid"))
    return Heard(delivered=(uuid,), begun=uuid if body.get("state") in _BEGUN else None)


def _retry(body: Mapping[str, Any]) -> str:
    delay = body.get("retry_delay_ms")
    seconds = delay / 1000 if isinstance(delay, int | float) else 0.0
    status, error = body.get("error_status"), as_text(body.get("error"))
    what = f"answered {status} ({error})" if status is not None else f"did not answer ({error})"
    return f"the model {what}; retry {body.get('attempt')} of {body.get('max_retries')} in {seconds:.1f} s"


def _texts(content: object) -> Iterator[str]:
    """The texts in what a tool answered: a text, or blocks of which some are texts."""
    if isinstance(content, str):
        yield content
    for block in as_dicts(content):
        kind = block.get("type")
        yield as_text(block.get("text")) if kind == "text" else f"[{as_text(kind) or 'block'}]"
