"""What an agent has cost since it was last told, out of figures that are cumulative, late, or missing. Pure.

Claude Code tells three things. While a message streams, its input tokens at the beginning and its output tokens as
they grow: these are booked as it is said, so that a run that is killed has told what it used. With each result, the
totals of the conversation per model, with a price, and with what agents of its own used: what they hold beyond the
last totals and beyond what the stream has already told is booked then. Totals go on when a conversation is resumed, so
they are kept with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind


@dataclass(frozen=True, slots=True)
class Amount:
    """Of one model. Input counts what was read from caches and written to them, too."""

    input: int = 0
    output: int = 0
    cost: float = 0.0

    def less(self, other: "Amount") -> "Amount":
        """What is more here than there; never less than nothing."""
        return Amount(
            max(0, self.input - other.input), max(0, self.output - other.output), max(0.0, self.cost - other.cost)
        )


@dataclass(slots=True)
class _Message:
    """A message that streams; `input` until it is told, which is with the first words of the answer."""

    model: str
    input: int
    output: int = 0


@dataclass(slots=True)
class Meter:
    """Turns the figures of one process into amounts since the last ones."""

    totals: dict[str, Amount] = field(default_factory=dict)  # of the conversation, as last told with a result
    _told: dict[str, Amount] = field(default_factory=dict)  # by the stream, since that result
    _message: _Message | None = None

    @classmethod
    def from_json(cls, saved: Any) -> "Meter":
        """A meter that goes on from what `to_json` gave; from nothing where that cannot be read."""
        if not isinstance(saved, dict):
            return cls()
        return cls({str(model): _amount(total) for model, total in saved.items() if isinstance(total, dict)})

    def to_json(self) -> dict[str, Any]:
        """The totals of the conversation."""
        return {model: asdict(total) for model, total in self.totals.items()}

    def partial(self, event: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """What a piece of a streamed message has cost."""
        match event.get("type"):
            case "message_start":
                yield from self.rest()
                message = event.get("message")
                if isinstance(message, dict):
                    self._message = _Message(_plain(str(message.get("model") or "")), _input(message.get("usage")))
            case "message_delta" if self._message is not None:
                output = _whole(_fields(event.get("usage")).get("output_tokens"))
                more = max(0, output - self._message.output)
                self._message.output = max(output, self._message.output)
                yield from self._told_more(more)

    def rest(self) -> Iterator[AgentEvent]:
        """What a message has cost that was not told yet, because it broke off before its first words."""
        if self._message is not None:
            yield from self._told_more(0)

    def settle(self, result: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """What the totals of a result hold beyond all that was told."""
        yield from self.rest()
        told, self._told, self._message = self._told, {}, None
        for model, total in _totals(result).items():
            last = self.totals.get(model, Amount())
            self.totals[model] = total
            yield from _usage(model, total.less(last).less(told.get(_plain(model), Amount())))

    def _told_more(self, output: int) -> Iterator[AgentEvent]:
        assert self._message is not None
        amount, self._message.input = Amount(self._message.input, output), 0
        before = self._told.get(self._message.model, Amount())
        told = replace(before, input=before.input + amount.input, output=before.output + amount.output)
        self._told[self._message.model] = told
        yield from _usage(self._message.model, amount)


def _usage(model: str, amount: Amount) -> Iterator[AgentEvent]:
    if amount != Amount():
        cost = {"costUsd": round(amount.cost, 9)} if amount.cost else {}
        tokens = {"inputTokens": amount.input, "outputTokens": amount.output}
        yield AgentEvent(EventKind.USAGE, {"model": model, **tokens, **cost})


def _plain(model: str) -> str:
    """Totals may name a model with its context window, `…[1m]`; streamed messages do not."""
    return model.partition("[")[0]


def _totals(result: Mapping[str, Any]) -> dict[str, Amount]:
    return {
        str(model): Amount(
            sum(_whole(told.get(name)) for name in ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")),
            _whole(told.get("outputTokens")),
            _number(told.get("costUSD")),
        )
        for model, told in _fields(result.get("modelUsage")).items()
        if isinstance(told, dict)
    }


def _input(usage: Any) -> int:
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(_whole(_fields(usage).get(name)) for name in names)


def _amount(saved: Mapping[str, Any]) -> Amount:
    return Amount(_whole(saved.get("input")), _whole(saved.get("output")), _number(saved.get("cost")))


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int:
    return int(_number(value))


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < float("inf") else 0.0
