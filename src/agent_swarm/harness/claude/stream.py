"""What a line of Claude Code's output means. Pure: it is fed lines, also such as are none of its own.

Seen with the versions 2.1.197 to 2.1.332. Lines of an unknown type mean nothing; lines that are no JSON are passed on
as log lines up to a bound, because some program may write into the agent's output, and at any length.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.claude.diffs import unified
from agent_swarm.harness.claude.usage import Meter

STRAY_LINES = 100  # lines that are no JSON and are passed on, per process
STRAY_CHARS = 1000  # of each
_REFUSED = frozenset({"failed", "needs-auth", "disabled"})  # what an MCP server is that the agent will not get
_BEGUN = frozenset({"started", "completed", "cancelled"})  # states of a message that is not in the queue any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one line says."""

    events: tuple[AgentEvent, ...] = ()
    delivered: str | None = None  # the message that the agent has
    begun: str | None = None  # the message that it has come to
    asks: str | None = None  # a control request of its own
    refused_servers: tuple[str, ...] = ()  # MCP servers that it could not use
    result: Mapping[str, Any] | None = None  # the end of a turn


NOTHING = Heard()


@dataclass(slots=True)
class Reading:
    """Reads one process's output, line by line, and remembers what has to be known at its end."""

    meter: Meter
    session: str | None = None  # told by the first line
    resets_at: float | None = None  # Unix seconds: when a limit of the account ends
    _strays: int = 0
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
            "control_request": lambda body: Heard(asks=_text(body.get("request_id"))),
            "result": self._result,
        }

    def feed(self, line: bytes) -> Heard:
        """What `line` says."""
        text = line.decode("utf-8", errors="replace").strip()
        if not text:
            return NOTHING
        try:
            body = json.loads(text)
        except ValueError:
            return self._stray(text)
        if not isinstance(body, dict):
            return self._stray(text)
        handle = self._handlers.get(str(body.get("type")))
        heard: Heard = handle(body) if handle is not None else NOTHING
        return heard

    def last(self) -> Heard:
        """What is to be said once the output has ended."""
        dropped = self._strays - STRAY_LINES
        return Heard(events=(_log(f"{dropped} more lines that are no JSON were dropped"),)) if dropped > 0 else NOTHING

    def _stray(self, text: str) -> Heard:
        self._strays += 1
        return NOTHING if self._strays > STRAY_LINES else Heard(events=(_log(text[:STRAY_CHARS], stream="stdout"),))

    def _system(self, body: Mapping[str, Any]) -> Heard:
        match body.get("subtype"):
            case "init":
                return self._init(body)
            case "api_retry":
                return Heard(events=(_log(_retry(body)),))
            case "hook_response":
                said = " ".join(_text(body.get(part)).strip() for part in ("stdout", "stderr")).strip()
                name = _text(body.get("hook_name") or body.get("hook_event"))
                return Heard(events=(_log(f"hook {name}: {said or 'no output'}"),))
            case "compact_boundary":
                return Heard(events=(_log("the conversation was compacted"),))
        return NOTHING

    def _init(self, body: Mapping[str, Any]) -> Heard:
        """Sent at the begin of every turn; only the first one is news, beside servers that were lost meanwhile."""
        refused = tuple(
            _text(server.get("name")) for server in _dicts(body.get("mcp_servers")) if server.get("status") in _REFUSED
        )
        if self.session is not None:
            return Heard(refused_servers=refused)
        self.session = _text(body.get("session_id"))
        about = (
            f"Claude Code {_text(body.get('claude_code_version'))}, model {_text(body.get('model'))}, "
            f"permission mode {_text(body.get('permissionMode'))}"
        )
        started = AgentEvent(EventKind.STARTED, {"session": self.session})
        return Heard(events=(started, _log(about)), refused_servers=refused)

    def _partial(self, body: Mapping[str, Any]) -> Heard:
        """A piece of a message: only what it costs is of interest, the message itself comes whole."""
        return Heard(events=tuple(self.meter.partial(_dict(body.get("event")))))

    def _rate_limit(self, body: Mapping[str, Any]) -> Heard:
        info = _dict(body.get("rate_limit_info"))
        resets_at = info.get("resetsAt")
        if info.get("status") == "rejected" and isinstance(resets_at, int | float):
            self.resets_at = float(resets_at)
        return NOTHING

    def _result(self, body: Mapping[str, Any]) -> Heard:
        return Heard(events=(*self._denied(body), *self.meter.settle(body)), result=body)

    def _denied(self, body: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Tool calls that were refused, each once: a later turn may name those of an earlier one again."""
        for denial in _dicts(body.get("permission_denials")):
            call = _text(denial.get("tool_use_id"))
            if call not in self._told_denials:
                self._told_denials.add(call)
                told = {"id": call, "name": _text(denial.get("tool_name")), "input": denial.get("tool_input")}
                yield AgentEvent(EventKind.DENIED, told)


def _assistant(body: Mapping[str, Any]) -> Heard:
    """A message of the model; what the CLI itself says about an error comes again in the result."""
    message = _dict(body.get("message"))
    parent = _text(body.get("parent_tool_use_id"))
    events = []
    for block in _dicts(message.get("content")):
        match block.get("type"):
            case "text" if message.get("model") != "<synthetic>":
                events.append(AgentEvent(EventKind.TEXT, {"text": _text(block.get("text"))}))
            case "tool_use":
                call = {"id": _text(block.get("id")), "name": _text(block.get("name")), "input": block.get("input")}
                events.append(AgentEvent(EventKind.TOOL_CALL, {**call, **({"parent": parent} if parent else {})}))
    return Heard(events=tuple(events))


def _user(body: Mapping[str, Any]) -> Heard:
    """Results of tools; or our own message, given back when the agent has come to it."""
    if body.get("isReplay") is True:
        uuid = _text(body.get("uuid"))
        return Heard(delivered=uuid, begun=uuid)
    content = _dict(body.get("message")).get("content")
    results = [block for block in _dicts(content) if block.get("type") == "tool_result"]
    diff = unified(body.get("tool_use_result")) if len(results) == 1 else ""
    return Heard(
        events=tuple(
            AgentEvent(
                EventKind.TOOL_RESULT,
                {
                    "id": _text(block.get("tool_use_id")),
                    "ok": block.get("is_error") is not True,
                    "output": "\n".join(_texts(block.get("content"))),
                    **({"diff": diff} if diff else {}),
                },
            )
            for block in results
        )
    )


def _lifecycle(body: Mapping[str, Any]) -> Heard:
    uuid = _text(body.get("command_uuid"))
    return Heard(delivered=uuid, begun=uuid if body.get("state") in _BEGUN else None)


def _retry(body: Mapping[str, Any]) -> str:
    delay = body.get("retry_delay_ms")
    seconds = delay / 1000 if isinstance(delay, int | float) else 0.0
    status, error = body.get("error_status"), _text(body.get("error"))
    what = f"answered {status} ({error})" if status is not None else f"did not answer ({error})"
    return f"the model {what}; retry {body.get('attempt')} of {body.get('max_retries')} in {seconds:.1f} s"


def _log(text: str, *, stream: str = "claude") -> AgentEvent:
    return AgentEvent(EventKind.LOG, {"stream": stream, "text": text})


def _texts(content: object) -> Iterator[str]:
    """The texts in what a tool answered: a text, or blocks of which some are texts."""
    if isinstance(content, str):
        yield content
    for block in _dicts(content):
        kind = block.get("type")
        yield _text(block.get("text")) if kind == "text" else f"[{_text(kind) or 'block'}]"


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> Iterable[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
