"""Turns what a harness reports into records of the spool: transcript lines, progress and usage."""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agent_swarm.domain import handover
from agent_swarm.domain.time import to_wire
from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.protocol import limits
from agent_swarm.redaction import Redactor, Stream
from agent_swarm.worker.spool import Kind, Spool

LONGEST_TEXT = 64 * 1024  # characters; longer ones are cut, with a word about it
DEEPEST = 100  # levels of nesting that are kept
_ROOM = limits.TRANSCRIPT_LINE_BYTES - 1024  # for `at` and `kind`


def wall_clock() -> str:
    """The time for people to read, as it stands in a transcript."""
    return to_wire(time.time_ns() // 1000)


class Recorder:
    """Meets `harness.base.Emit`. One per attempt."""

    def __init__(self, spool: Spool, redactor: Redactor, at: Callable[[], str] = wall_clock) -> None:
        self._spool = spool
        self._redactor = redactor
        self._at = at
        self._streams: dict[str, Stream] = {}
        self.session = ""
        self.denials = 0  # tool calls that were refused
        self._steps: deque[str] = deque(maxlen=handover.STEPS)

    @property
    def account(self) -> str:
        """What was said and done so far, for an agent that goes on without the conversation."""
        return handover.account(self._steps, handover.SAME_ATTEMPT)

    async def note(self, text: str) -> None:
        """Record what the worker has to say itself."""
        await self(AgentEvent(EventKind.LOG, {"stream": "worker", "text": f"{text}\n"}))

    async def __call__(self, event: AgentEvent) -> None:
        """Record what the agent did."""
        match event.kind:
            case EventKind.TEXT | EventKind.LOG:
                guarded = self._guarded(event)
                if guarded is not None:
                    self._line(guarded)
                return
            case EventKind.STARTED:
                self.note_session(str(event.data.get("session") or ""))
            case EventKind.PROGRESS:
                self._spool.append(Kind.PROGRESS, {"text": str(event.data.get("text", ""))[: limits.PROGRESS_CHARS]})
            case EventKind.USAGE:
                self._spool.append(Kind.USAGE, usage_of(event.data))
            case EventKind.DENIED:
                self.denials += 1
            case EventKind.ENDED:
                self.flush()
        self._line(event)

    def note_session(self, session: str) -> None:
        """Remember the conversation's handle, also for a worker that comes after this one."""
        if session and session != self.session:
            self.session = session
            self._spool.append(Kind.NOTE, {"session": session})

    def flush(self) -> None:
        """Record what was held back because it could have been the beginning of a secret."""
        for name_of, stream in self._streams.items():
            kind, _, name = name_of.partition(" ")
            if rest := stream.rest():
                data = {"text": rest, **({"stream": name} if name else {})}
                self._line(AgentEvent(EventKind(kind), data))

    def _guarded(self, event: AgentEvent) -> AgentEvent | None:
        """The event without secrets, also such as are spread over several; None where all of it is held back."""
        text = event.data.get("text")
        if not isinstance(text, str) or not text:
            return event
        name = f"{event.kind.value} {event.data.get('stream', '')}".strip()
        stream = self._streams.get(name) or self._streams.setdefault(name, self._redactor.stream())
        shown = stream.feed(text) + stream.breathe()
        return replace(event, data={**event.data, "text": shown}) if shown else None

    def _line(self, event: AgentEvent) -> None:
        data = fitting(self._redactor.value(event.data))
        if step := handover.step_of({"kind": event.kind.value, "data": data}):
            self._steps.append(step)
        self._spool.append(Kind.LINE, {"at": self._at(), "kind": event.kind.value, "data": data})


def usage_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """A `usage` event's amounts as the protocol takes them; what is no amount counts as nothing."""
    return {
        "input_tokens": min(int(_amount(data.get("inputTokens"))), 2**53),
        "output_tokens": min(int(_amount(data.get("outputTokens"))), 2**53),
        "cost_usd": min(_amount(data.get("costUsd")), 1_000_000.0),
        "model": str(data.get("model") or "")[: limits.LABEL_CHARS],
    }


def fitting(data: Any) -> Any:
    """`data` as JSON that fits into a transcript line: texts are cut, the longest first, until the whole fits."""
    longest = LONGEST_TEXT
    cut = _cut(data, longest, DEEPEST)
    while longest > 64 and (size := _size(cut)) > _ROOM:
        longest //= 2
        cut = _cut(data, longest, DEEPEST)
    return cut if _size(cut) <= _ROOM else {"cut": f"{size} bytes in too many pieces to show"}


def _cut(value: Any, longest: int, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}… [{len(value) - longest} characters cut]"
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # NaN and infinities are no JSON
    if depth == 0:
        return "… [nested too deeply]"
    if isinstance(value, Mapping):
        return {_cut(str(key), longest, 1): _cut(inner, longest, depth - 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(inner, longest, depth - 1) for inner in value]
    return _cut(str(value), longest, depth)


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _amount(value: Any) -> float:
    """A finite number of at least 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < float("inf") else 0.0
