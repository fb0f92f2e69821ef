"""What a notification of Codex means. Pure: it is fed lines, also such as are none of its own.

Seen with version 0.171.0. Notifications of an unknown kind mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.codex import items
from agent_swarm.harness.codex.outcomes import outcome_of
from agent_swarm.harness.codex.usage import Meter
from agent_swarm.harness.kept.heard import NOTHING, Heard, Strays, as_dict, as_number, as_text, log

_REFUSED = ("failed", "cancelled")  # what an MCP server is that the agent will not get
_USED_UP = 100  # per cent of a window


@dataclass(slots=True)
class Reading:
    """Reads one process's notifications, and remembers what has to be known at a turn's end."""

    meter: Meter
    thread: str | None = None  # what is heard of others was done by agents that the agent started
    resets_at: float | None = None  # Unix seconds: when a limit of the account ends
    calls: int = 0  # how often the model was asked
    has_called: bool = False  # a tool, since the model last was asked
    early: tuple[AgentEvent, ...] = ()  # what was heard before the conversation was opened
    _model: str = ""
    _said: str = ""
    strays: Strays = field(default_factory=Strays)

    def opened(self, result: Mapping[str, Any]) -> Heard:
        """A conversation has begun, or goes on."""
        thread = as_dict(result.get("thread"))
        self.thread, self._model = as_text(thread.get("id")), as_text(result.get("model"))
        about = (
            f"Codex {as_text(thread.get('cliVersion'))}, model {self._model}, "
            f"sandbox {as_text(as_dict(result.get('sandbox')).get('type'))}"
        )
        started = AgentEvent(EventKind.STARTED, {"session": self.thread})
        early, self.early = self.early, ()
        return Heard(events=(started, log(about, stream=items.NAME), *early))

    def feed(self, method: str, params: Mapping[str, Any]) -> Heard:
        """What a notification says; events wait until the conversation is opened."""
        heard = self._told(method, params)
        if self.thread is None:
            self.early += heard.events
            return replace(heard, events=()) if heard.events else heard
        return heard

    def _told(self, method: str, params: Mapping[str, Any]) -> Heard:
        match method:
            case "thread/tokenUsage/updated":
                return self._usage(params)
            case "account/rateLimits/updated":
                return self._limits(as_dict(params.get("rateLimits")))
            case "mcpServer/startupStatus/updated":
                name = as_text(params.get("name"))
                return Heard(refused_servers=(name,)) if params.get("status") in _REFUSED else NOTHING
            case "error" if params.get("willRetry") is True:
                return Heard(events=(log(_retry(as_dict(params.get("error"))), stream=items.NAME),))
            case "warning" | "configWarning" | "guardianWarning":
                said = as_text(params.get("message") or params.get("summary"))
                return Heard(events=(log(said, stream=items.NAME),))
        return self._own(method, params) if params.get("threadId") == self.thread else NOTHING

    def _own(self, method: str, params: Mapping[str, Any]) -> Heard:
        """What is said of this conversation, not of one that the agent began."""
        item = as_dict(params.get("item"))
        match method:
            case "turn/started":
                self._said = ""
            case "item/started":
                self.has_called = self.has_called or items.is_tool(item)
                begun = as_text(item.get("clientId")) if item.get("type") == "userMessage" else ""
                return Heard(events=tuple(items.begun(item)), begun=begun or None)
            case "item/completed":
                if item.get("type") == "agentMessage":
                    self._said = as_text(item.get("text")) or self._said
                return Heard(events=tuple(items.completed(item)))
            case "turn/completed":
                turn = as_dict(params.get("turn"))
                return Heard(outcome=outcome_of(turn, said=self._said, resets_at=self.resets_at))
        return NOTHING

    def _usage(self, params: Mapping[str, Any]) -> Heard:
        thread, told = as_text(params.get("threadId")), as_dict(params.get("tokenUsage"))
        events = tuple(self.meter.settle(thread, as_dict(told.get("total")), model=self._model))
        if events and thread == self.thread:
            self.calls += 1
        return Heard(events=events, is_booked=True)

    def _limits(self, limits: Mapping[str, Any]) -> Heard:
        """Of the windows that are used up, the one that lasts longest."""
        windows = (as_dict(limits.get(name)) for name in ("primary", "secondary"))
        ends = [as_number(one.get("resetsAt")) for one in windows if as_number(one.get("usedPercent")) >= _USED_UP]
        self.resets_at = max(filter(None, ends), default=self.resets_at)
        return NOTHING


def _retry(error: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (as_text(error.get("message")), as_text(error.get("additionalDetails")))))
