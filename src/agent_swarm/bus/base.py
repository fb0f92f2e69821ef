"""The contract of a bus, and the one of a server that is alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

NOTICE_BYTES = 7_500  # PostgreSQL's NOTIFY takes 8,000


class NoticeKind(StrEnum):
    """What a notice is about, and what its body holds."""

    COMMITTED = "committed"  # a batch: {seq, ready: {class id: tasks that became claimable} or null for "look"}
    TRANSCRIPT = "transcript"  # lines were stored: {task, attempt}
    CONNECTED = "connected"  # a worker's process came in at the sender: {agent, instance}
    STARTED = "started"  # the sender began to serve, or said goodbye: leases are left alone for a while
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Notice:
    """A hint from the server `node`."""

    kind: NoticeKind
    node: str
    body: Mapping[str, Any]

    def encoded(self) -> bytes:
        """As it travels: a JSON object."""
        return orjson.dumps({"kind": self.kind.value, "node": self.node, "body": self.body})

    def within(self, limit: int) -> bytes:
        """As it travels, in at most `limit` bytes: a commit that made too many classes claimable only says "look"."""
        raw = self.encoded()
        if len(raw) <= limit or self.kind is not NoticeKind.COMMITTED:
            return raw
        return Notice(self.kind, self.node, {**self.body, "ready": None}).encoded()

    @classmethod
    def decoded(cls, raw: bytes | str) -> "Notice | None":
        """The notice in `raw`; None for what this version does not understand, which is passed over."""
        try:
            found = orjson.loads(raw)
            return cls(NoticeKind(found["kind"]), str(found["node"]), dict(found["body"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return None


Hear = Callable[[Notice], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusFigures:
    """What became of this node's notices since it started, for the metrics."""

    waiting: int = 0  # to be sent, now
    dropped: int = 0  # never sent, because others needed the room
    merged: int = 0  # commits of which a later notice told as well
    unreadable: int = 0  # heard, and not understood
    outages: int = 0  # times the way to the others was lost


class Bus(Protocol):
    """Carries notices to all other servers, at most once or more than once, in any order, as fast as it can."""

    async def open(self, hear: Hear) -> None:
        """Begin: `hear` is called on the event loop with what others publish, perhaps also with one's own.

        Raises Unavailable where there is no way to the others now; after that the way is found again by itself.
        """
        ...

    def publish(self, notice: Notice) -> None:
        """Have it sent soon. Never blocks, never raises; what cannot be sent now may be lost."""
        ...

    def figures(self) -> BusFigures:
        """How it fares."""
        ...

    async def close(self) -> None:
        """Send what waits, for a moment at most, and end; idempotent."""
        ...


class NoBus:
    """The bus of a server that has its database to itself."""

    async def open(self, hear: Hear) -> None:
        """Nothing is ever heard."""

    def publish(self, notice: Notice) -> None:
        """Nobody is there to be told."""

    def figures(self) -> BusFigures:
        """Nothing ever happens."""
        return BusFigures()

    async def close(self) -> None:
        """Nothing to end."""
