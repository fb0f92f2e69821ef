"""What a scripted model can be told to answer: contents (`Say`, `Call`, `Think`, `Message`), and ways to go wrong."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.testing.model_server.requests import ModelRequest

KINDS: Mapping[int, str] = {  # error types of the Messages API, by status
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the API counts them: input that came from or went to the cache is counted apart."""

    input_tokens: int = 10
    output_tokens: int = 5
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Say:
    """Text. `usage` counts where it is the whole answer."""

    text: str
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. Without an `id` it gets a fresh one. `usage` counts where it is the whole answer."""

    tool: str
    input: Mapping[str, Any]
    id: str = ""
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Think:
    """A thinking block, for a `Message`."""

    text: str


Block = Say | Call | Think


@dataclass(frozen=True, slots=True)
class Message:
    """One answer of several blocks. Without a `stop_reason`: tool_use if there is a call, else end_turn.

    `model` is the one the answer names; without it that of the request.
    """

    blocks: Sequence[Block]
    usage: Usage = Usage()
    stop_reason: str = ""
    model: str = ""


Content = Say | Call | Message


@dataclass(frozen=True, slots=True)
class Fail:
    """An HTTP error in the form of the API. Without a `kind`, the usual one of the status."""

    status: int
    kind: str = ""
    message: str = "scripted failure"
    headers: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)  # what else the error says, in the Responses API


@dataclass(frozen=True, slots=True)
class CutStream:
    """The connection breaks after so many events of the stream; without streaming, before anything came."""

    content: Content = Say("this is cut off before it ends")
    after: int = 3


@dataclass(frozen=True, slots=True)
class FailStream:
    """An `error` event in the stream after so many others, which then ends; status 200 has been sent by then."""

    content: Content = Say("this is cut off before it ends")
    after: int = 3
    kind: str = "overloaded_error"
    message: str = "scripted failure"


@dataclass(frozen=True, slots=True)
class SlowStream:
    """A stream with pauses: `chunk_seconds` before every event; after `after` events it waits until `gate` is set."""

    content: Content
    chunk_seconds: float = 0.0
    after: int = 3
    gate: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """No byte of an answer until `release` is called; then what `then` says."""

    then: "Content | Fail" = Say("at last")
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let it answer; every request that waits for it."""
        self.gate.set()


@dataclass(frozen=True, slots=True)
class Garbage:
    """A body that is no answer of the API, with any status."""

    body: bytes = b"<html>no model here</html>"
    status: int = 200
    content_type: str = "text/html"


Reply = Content | Fail | CutStream | FailStream | SlowStream | Hang | Garbage
Computed = Callable[[ModelRequest], Reply | Awaitable[Reply]]
Step = Reply | Computed


@dataclass(frozen=True, slots=True)
class Always:
    """The last step of a script: from here on every request gets this."""

    step: Step


def rate_limited(*, resets_at: float, retry_after: int | None = None, window: str = "five_hour") -> Fail:
    """A 429 as a subscription's used-up window gives it; `resets_at` in seconds since 1970.

    `window` is `five_hour` or `seven_day`. A short `retry_after` makes clients wait for it; without one it is what is
    left until the reset.
    """
    short = {"five_hour": "5h", "seven_day": "7d"}[window]
    left = max(0, round(resets_at - time.time())) if retry_after is None else retry_after
    prefix = "anthropic-ratelimit-unified"
    headers = {
        "retry-after": str(left),
        f"{prefix}-status": "rejected",
        f"{prefix}-reset": str(round(resets_at)),
        f"{prefix}-representative-claim": window,
        f"{prefix}-{short}-status": "rejected",
        f"{prefix}-{short}-reset": str(round(resets_at)),
        f"{prefix}-{short}-utilization": "1.0",
    }
    return Fail(429, message="This request would exceed your account's rate limit.", headers=headers)


def usage_limited(*, resets_at: float) -> Fail:
    """A 429 of the Responses API, as a subscription that is used up gives it; `resets_at` in seconds since 1970."""
    told = {"resets_at": round(resets_at), "plan_type": "plus"}
    window = {"used-percent": "100", "window-minutes": "300", "reset-at": str(round(resets_at))}
    headers = {f"x-codex-primary-{name}": value for name, value in window.items()}
    return Fail(429, "usage_limit_reached", "The usage limit has been reached", headers=headers, details=told)


def message_of(content: Content) -> Message:
    """Any content as a whole answer."""
    return content if isinstance(content, Message) else Message([content], usage=content.usage)
