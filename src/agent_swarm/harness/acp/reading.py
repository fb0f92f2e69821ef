"""What an update of a conversation means. Pure; updates of an unknown kind mean nothing."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.harness.acp.manner import Manner
from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.kept.heard import as_dict, as_dicts, as_number, as_text, as_whole, log

_OVER = ("completed", "failed")
_FAILED = "Error: "  # begins the last words of an agent whose model failed


@dataclass(slots=True)
class _Call:
    name: str
    given: Any = None
    is_told: bool = False
    is_over: bool = False


@dataclass(slots=True)
class Reading:
    """Reads the updates of one conversation, and remembers what has to be known at a turn's end."""

    manner: Manner
    cost_usd: float = 0.0  # of the whole conversation, as it was told last
    settled_usd: float = 0.0  # what of it is booked
    said: str = ""  # the agent's last words in this turn
    calls: int = 0  # tools that were used, in this process
    _used: tuple[int, int] = (0, 0)  # tokens in and out that were told of this process
    _words: list[str] = field(default_factory=list)
    _calls: dict[str, _Call] = field(default_factory=dict)

    def begin(self) -> None:
        """Another turn."""
        self.said = ""

    def feed(self, update: Mapping[str, Any]) -> tuple[AgentEvent, ...]:
        """What an update says. Words come in pieces, and are told when something else comes."""
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                return self._heard(as_text(as_dict(update.get("content")).get("text")))
            case "tool_call" | "tool_call_update":
                return (*self.words(), *self._tool(update))
            case "usage_update":
                self.cost_usd = max(self.cost_usd, as_number(as_dict(update.get("cost")).get("amount")))
        return ()

    def failure(self) -> str:
        """What an agent has to say of its model, which stands last among the words of a turn, and is none of them."""
        is_last = self.manner.fails_in_words and bool(self._words) and self._words[-1].startswith(_FAILED)
        return self._words.pop().removeprefix(_FAILED) if is_last else ""

    def words(self) -> Iterator[AgentEvent]:
        """What the agent has said up to here."""
        text, self._words = "".join(self._words), []
        if text.strip():
            self.said = text
            yield AgentEvent(EventKind.TEXT, {"text": text})

    def used(self, result: Mapping[str, Any], *, model: str) -> Iterator[AgentEvent]:
        """What a turn has used: tokens as its answer tells them, dollars as the difference of totals."""
        quota = as_dict(as_dict(result.get("_meta")).get("quota"))
        told = as_dict(result.get("usage")) or as_dict(quota.get("token_count"))
        fed = as_whole(told.get("inputTokens") or told.get("input_tokens"))
        said = as_whole(told.get("outputTokens") or told.get("output_tokens"))
        if self.manner.sums_usage and told:
            before, self._used = self._used, (fed, said)
            fed, said = max(0, fed - before[0]), max(0, said - before[1])
        cost, self.settled_usd = self.cost_usd - self.settled_usd, self.cost_usd
        if fed or said or cost > 0:
            dollars = {"costUsd": cost} if cost > 0 else {}
            yield AgentEvent(EventKind.USAGE, {"model": model, "inputTokens": fed, "outputTokens": said, **dollars})

    def name_of(self, call: Mapping[str, Any]) -> str:
        """Of the tool that is asked about."""
        known = self._calls.get(as_text(call.get("toolCallId")))
        return known.name if known is not None else self._named(call)

    def _named(self, call: Mapping[str, Any]) -> str:
        """The tool as the model knows it, as far as that is told."""
        if self.manner.names_by_kind and (kind := as_text(call.get("kind"))) not in ("", "other"):
            return kind
        if self.manner.names_in_ids and (name := as_text(call.get("toolCallId")).rpartition("__")[0]):
            return name
        return as_text(call.get("title") or call.get("kind"))

    def _heard(self, text: str) -> tuple[AgentEvent, ...]:
        if self.manner.notices is not None and self.manner.notices.match(text):
            return (*self.words(), log(text, stream=self.manner.name))
        self._words.append(text)
        return ()

    def _tool(self, update: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """A call is told once, when what it is given is whole; its answer once, when it is over."""
        ident, status = as_text(update.get("toolCallId")), update.get("status")
        call = self._calls.setdefault(ident, _Call(self._named(update)))
        call.given = update.get("rawInput") or call.given or as_text(update.get("title"))
        if not call.is_told and (self.manner.calls_at_once or status in ("in_progress", *_OVER)):
            call.is_told = True
            yield AgentEvent(EventKind.TOOL_CALL, {"id": ident, "name": call.name, "input": call.given})
        if not call.is_over and status in _OVER:
            call.is_over = True
            self.calls += 1
            output, diff = _given(update)
            if status == "failed" and as_dict(update.get("rawOutput")).get("code") == "denied":
                yield AgentEvent(EventKind.DENIED, {"id": ident, "name": call.name, "input": call.given})
            is_good = status == "completed" and not _exit(update)
            data = {"id": ident, "ok": is_good, "output": output, **({"diff": diff} if diff else {})}
            yield AgentEvent(EventKind.TOOL_RESULT, data)


def _given(update: Mapping[str, Any]) -> tuple[str, str]:
    """Output and diff."""
    texts, diffs = [], []
    for part in as_dicts(update.get("content")):
        if part.get("type") == "diff":
            diffs.append(_diff(part))
        else:
            texts.append(as_text(as_dict(part.get("content")).get("text")))
    raw = as_dict(update.get("rawOutput"))
    output = "\n".join(texts) if texts else as_text(raw.get("output") or raw.get("content") or raw.get("message"))
    return output, "\n".join(diffs)


def _exit(update: Mapping[str, Any]) -> int:
    """Of a command, where it is told."""
    raw = as_dict(update.get("rawOutput"))
    told = [one.get("exitCode") for one in as_dicts(raw.get("contents"))]
    return max(map(as_whole, (as_dict(raw.get("metadata")).get("exit"), *told)))


def _diff(part: Mapping[str, Any]) -> str:
    path, old, new = (as_text(part.get(name)) for name in ("path", "oldText", "newText"))
    begins = path if part.get("oldText") is not None else "/dev/null"
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), begins, path, lineterm=""))
