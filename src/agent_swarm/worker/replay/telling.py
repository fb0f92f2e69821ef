"""Events as they are recorded and compared: without secrets, and a text that comes in pieces as one."""

from collections.abc import Iterator
from dataclasses import replace

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.redaction import Redactor

_IN_PIECES = (EventKind.TEXT, EventKind.LOG)


class Telling:
    """Of one run. A secret may be spread over pieces, so a text is looked at when something else follows it."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._open: AgentEvent | None = None

    def feed(self, event: AgentEvent) -> Iterator[AgentEvent]:
        """What can be told now."""
        if event.kind not in _IN_PIECES:
            yield from self.rest()
            yield self._safe(event)
        elif self._open is not None and _about(self._open) == _about(event):
            text = f"{self._open.data.get('text', '')}{event.data.get('text', '')}"
            self._open = replace(event, data={**event.data, "text": text})
        else:
            yield from self.rest()
            self._open = event

    def rest(self) -> Iterator[AgentEvent]:
        """What is still open."""
        event, self._open = self._open, None
        if event is not None:
            yield self._safe(event)

    def _safe(self, event: AgentEvent) -> AgentEvent:
        return replace(event, data=self._redactor.value(event.data))


def _about(event: AgentEvent) -> object:
    return event.kind, {name: value for name, value in event.data.items() if name != "text"}
