"""What a line of a kept agent says, whichever CLI it is."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one line says."""

    events: tuple[AgentEvent, ...] = ()
    delivered: tuple[str, ...] = ()  # messages that the agent has
    begun: str | None = None  # the message that it has come to
    lost: tuple[str, ...] = ()  # messages that it will never come to
    refused_servers: tuple[str, ...] = ()  # MCP servers that it could not use
    outcome: Outcome | None = None  # the end of a turn
    is_booked: bool = False  # the totals of the conversation have changed
    is_unknown: bool = False  # the conversation that was to go on is not there


NOTHING = Heard()
ALIVE = Heard()  # nothing that is told, but a sign of life

STRAY_LINES = 100  # lines that are no JSON and are passed on, per process
STRAY_CHARS = 1000  # of each


@dataclass(slots=True)
class Strays:
    """Lines that are no JSON: some program may write into the agent's output, and at any length. Told up to a bound."""

    _count: int = 0

    def read(self, line: bytes) -> Mapping[str, Any] | Heard:
        """The JSON object of a line; or what is to be said about it, where it is none."""
        text = line.decode("utf-8", errors="replace").strip()
        if not text:
            return NOTHING
        try:
            body = json.loads(text)
        except ValueError:
            return self._note(text)
        return body if isinstance(body, dict) else self._note(text)

    def _note(self, text: str) -> Heard:
        self._count += 1
        return NOTHING if self._count > STRAY_LINES else Heard(events=(log(text[:STRAY_CHARS], stream="stdout"),))

    def last(self) -> Heard:
        """What is to be said once the output has ended."""
        dropped = self._count - STRAY_LINES
        if dropped <= 0:
            return NOTHING
        return Heard(events=(log(f"{dropped} more lines that are no JSON were dropped", stream="stdout"),))


def log(text: str, *, stream: str) -> AgentEvent:
    """A line of the log."""
    return AgentEvent(EventKind.LOG, {"stream": stream, "text": text})


def as_text(value: object) -> str:
    """A text as it is, anything else as JSON, nothing as nothing."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def as_dict(value: object) -> Mapping[str, Any]:
    """An object; an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: object) -> Iterable[Mapping[str, Any]]:
    """The objects in a list; none where there is no list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def as_whole(value: object) -> int:
    """A count; 0 where it is none."""
    return int(as_number(value))


def as_number(value: object) -> float:
    """A number from 0 on; 0 where it is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < float("inf") else 0.0  # type: ignore[arg-type, operator]
