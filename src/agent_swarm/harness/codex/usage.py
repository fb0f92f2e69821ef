"""What an agent has used since it was last told, out of totals that go on for a whole conversation. Pure.

Codex tells the totals of a thread after each answer of the model and the tools that it called; and once more when a
thread is resumed. So they are kept with the conversation. It tells no dollars.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.kept.heard import as_dict, as_whole


@dataclass(slots=True)
class Meter:
    """Turns totals into amounts. Input counts what was read from caches, too."""

    totals: dict[str, tuple[int, int]] = field(default_factory=dict)  # input and output tokens by thread

    @classmethod
    def from_json(cls, saved: Any) -> "Meter":
        """A meter that goes on from what `to_json` gave; from nothing where that cannot be read."""
        return cls({str(thread): _tokens(told) for thread, told in as_dict(saved).items()})

    def to_json(self) -> dict[str, Any]:
        """The totals of the conversation, by thread."""
        names = ("inputTokens", "outputTokens")
        return {thread: dict(zip(names, told, strict=True)) for thread, told in self.totals.items()}

    def settle(self, thread: str, total: Mapping[str, Any], *, model: str) -> Iterator[AgentEvent]:
        """What a thread's total holds beyond the last one."""
        before, now = self.totals.get(thread, (0, 0)), _tokens(total)
        self.totals[thread] = now
        fed, said = max(0, now[0] - before[0]), max(0, now[1] - before[1])
        if fed or said:
            yield AgentEvent(EventKind.USAGE, {"model": model, "inputTokens": fed, "outputTokens": said})


def _tokens(told: Any) -> tuple[int, int]:
    return as_whole(as_dict(told).get("inputTokens")), as_whole(as_dict(told).get("outputTokens"))
