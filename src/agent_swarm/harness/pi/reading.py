"""What an event of pi means. Pure: it is fed lines, also such as are none of its own.

Seen with version 1.6.0. Events of an unknown kind mean nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.kept.heard import NOTHING, Heard, Strays, as_dict, as_dicts, as_number, as_text, as_whole, log
from agent_swarm.harness.pi.outcomes import outcome_of

NAME = "pi"
_SERVERS_REFUSED = "MCP servers need attention"


@dataclass(slots=True)
class Reading:
    """Reads one process's events, and remembers what has to be known at a turn's end."""

    session: str | None = None
    calls: int = 0  # how often the model was asked
    cost_usd: float = 0.0  # of this process
    has_called: bool = False  # a tool, in the model's last answer
    strays: Strays = field(default_factory=Strays)
    _said: str = ""
    _answer: Mapping[str, Any] | None = None  # the model's last
    _early: tuple[AgentEvent, ...] = ()  # what was heard before the conversation was opened

    def opened(self, state: Mapping[str, Any]) -> Heard:
        """A conversation has begun, or goes on."""
        self.session = as_text(state.get("sessionId")) or None
        model = as_dict(state.get("model"))
        about = (
            f"model {as_text(model.get('provider'))}/{as_text(model.get('id'))}, {as_text(state.get('thinkingLevel'))}"
        )
        started = AgentEvent(EventKind.STARTED, {"session": self.session})
        early, self._early = self._early, ()
        return Heard(events=(started, log(about, stream=NAME), *early))

    def early(self) -> tuple[AgentEvent, ...]:
        """What was heard of a conversation that was never opened."""
        return self._early

    def feed(self, event: Mapping[str, Any]) -> Heard:
        """What an event says; events wait until the conversation is opened."""
        heard = self._told(event)
        if self.session is None and heard.events:
            self._early += heard.events
            return replace(heard, events=())
        return heard

    def _told(self, event: Mapping[str, Any]) -> Heard:
        ident = as_text(event.get("toolCallId"))
        match event.get("type"):
            case "agent_start":
                self._said, self._answer = "", None
            case "message_start" if as_dict(event.get("message")).get("role") == "user":
                return Heard(begun=_texts(as_dict(event.get("message"))))
            case "message_end" if as_dict(event.get("message")).get("role") == "assistant":
                return Heard(events=tuple(self._answered(as_dict(event.get("message")))))
            case "tool_execution_start":
                call = {"id": ident, "name": as_text(event.get("toolName")), "input": event.get("args")}
                return Heard(events=(AgentEvent(EventKind.TOOL_CALL, call),))
            case "tool_execution_end":
                return Heard(events=(_result(ident, event),))
            case "auto_retry_start":
                said = f"retry {event.get('attempt')}/{event.get('maxAttempts')}: {as_text(event.get('errorMessage'))}"
                return Heard(events=(log(said, stream=NAME),))
            case "compaction_end":
                return Heard(events=(log("the conversation was compacted", stream=NAME),))
            case "extension_ui_request" if event.get("method") == "notify":
                return _notified(as_text(event.get("message")))
            case "agent_settled":
                is_aborted = event.get("aborted") is True
                return Heard(outcome=outcome_of(self._answer, said=self._said, is_aborted=is_aborted))
        return NOTHING

    def _answered(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """An answer of the model: what it said and what it used."""
        self._answer = message
        self.calls += 1
        blocks = list(as_dicts(message.get("content")))
        self.has_called = any(block.get("type") == "toolCall" for block in blocks)
        for block in blocks:
            if block.get("type") == "text" and (text := as_text(block.get("text"))):
                self._said = text
                yield AgentEvent(EventKind.TEXT, {"text": text})
        used = as_dict(message.get("usage"))
        fed = sum(as_whole(used.get(name)) for name in ("input", "cacheRead", "cacheWrite"))
        said, cost = as_whole(used.get("output")), as_number(as_dict(used.get("cost")).get("total"))
        self.cost_usd += cost
        if fed or said or cost:
            tokens = {"inputTokens": fed, "outputTokens": said, "costUsd": cost}
            yield AgentEvent(EventKind.USAGE, {"model": as_text(message.get("model")), **tokens})


def _notified(text: str) -> Heard:
    """What pi tells its user. Of MCP servers that it cannot use it tells nothing else, and goes on without them."""
    heard = Heard(events=(log(text, stream=NAME),))
    if not text.startswith(_SERVERS_REFUSED):
        return heard
    names = (line.strip().partition(":") for line in text.splitlines()[1:])
    return replace(heard, refused_servers=tuple(name for name, colon, _ in names if colon))


def _result(ident: str, event: Mapping[str, Any]) -> AgentEvent:
    result = as_dict(event.get("result"))
    data: dict[str, Any] = {"id": ident, "ok": event.get("isError") is not True, "output": _texts(result)}
    if diff := as_text(as_dict(result.get("details")).get("patch")):
        data["diff"] = diff
    return AgentEvent(EventKind.TOOL_RESULT, data)


def _texts(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(as_text(part.get("text") or f"[{part.get('type')}]") for part in as_dicts(content))
