"""The latest events, encoded once, for all who follow them.

Every follower keeps nothing but the seq of the last event it was sent; the ring keeps bytes for as long as somebody
follows, within a bound, and wakes all followers together, at most every 50 ms. A follower that falls out of the ring
goes on from the table. Measured: 1.1 µs per delivery against 31 µs for a queue per client.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import orjson

from agent_swarm.protocol.limits import SSE_HEARTBEAT_SECONDS
from agent_swarm.services import views
from agent_swarm.services.events import EventFilter
from agent_swarm.store.base import Committed
from agent_swarm.store.records import Event

RING_EVENTS = 4096
RING_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 256 * 1024  # sent at once; what a slow client makes us hold
COALESCE_SECONDS = 0.05

Wake = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One event, ready to send, and what filters look at."""

    seq: int
    type: str
    task_id: str | None
    content: bytes


def encode(event: Event) -> Encoded:
    """`event` as one message of an event stream, its seq as the id to resume from."""
    data = orjson.dumps(views.event(event).model_dump(by_alias=True))
    return Encoded(event.seq, event.type, event.task_id, b"id: %d\ndata: %s\n\n" % (event.seq, data))


class EventRing:
    """One log of encoded events, a cursor per follower, one wake-up for all."""

    def __init__(self, *, head: int = 0, capacity: int = RING_EVENTS, capacity_bytes: int = RING_BYTES) -> None:
        self.head = head
        self._events: deque[Encoded] = deque()
        self._bytes = 0
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._followers: set[Wake] = set()
        self._wake_up: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self.beats = 0  # grows every 15 s while somebody follows, and when tokens ended: time for a sign of life
        self._joined: tuple[int, int, bytes] = (0, 0, b"")

    @property
    def tail(self) -> int:
        """The seq before the first event held: who has seen it can go on from here."""
        return self._events[0].seq - 1 if self._events else self.head

    def follow(self, wake: Wake) -> Callable[[], None]:
        """Have `wake` called when there is something to look at; answers a function that ends it."""
        self._followers.add(wake)
        if self._beat is None:
            self._beat = asyncio.get_running_loop().call_later(SSE_HEARTBEAT_SECONDS, self._give_beat)

        def leave() -> None:
            self._followers.discard(wake)
            if not self._followers:
                self._rest()

        return leave

    def publish(self, committed: Committed) -> None:
        """Take in what was committed. Events of another process may be missing: then followers go on from the table."""
        if not committed.events:
            return
        if self._followers:
            if committed.events[0].seq != self.head + 1:
                self._events.clear()
                self._bytes = 0
            for event in committed.events:
                self._keep(encode(event))
            if self._wake_up is None:
                self._wake_up = asyncio.get_running_loop().call_later(COALESCE_SECONDS, self._deliver)
        self.head = max(self.head, committed.events[-1].seq)

    def since(self, cursor: int, wanted: EventFilter) -> tuple[bytes, int]:
        """The messages after `cursor`, up to a bound, and the seq they go up to. `cursor` must not be before `tail`."""
        if wanted.shows_all:
            start, end, content = self._joined
            if start == cursor and end > cursor:
                return content, end
        chunk: list[bytes] = []
        size, end = 0, cursor
        for event in self._after(cursor):
            if wanted.shows(event.type, event.task_id):
                if size and size + len(event.content) > CHUNK_BYTES:
                    break
                chunk.append(event.content)
                size += len(event.content)
            end = event.seq
        content = b"".join(chunk)
        if wanted.shows_all:
            self._joined = (cursor, end, content)  # shared by every client at this cursor
        return content, end

    def ask_again(self) -> None:
        """Have every follower look at once whether it may still follow."""
        self.beats += 1
        self._wake_all()

    def close(self) -> None:
        """Stop the timers."""
        self._rest()
        if self._wake_up is not None:
            self._wake_up.cancel()
            self._wake_up = None

    def _after(self, cursor: int) -> Iterable[Encoded]:
        if cursor >= self.head or not self._events:
            return ()
        return islice(self._events, max(0, cursor + 1 - self._events[0].seq), None)

    def _keep(self, event: Encoded) -> None:
        self._events.append(event)
        self._bytes += len(event.content)
        while len(self._events) > self._capacity or (self._bytes > self._capacity_bytes and len(self._events) > 1):
            self._bytes -= len(self._events.popleft().content)

    def _deliver(self) -> None:
        self._wake_up = None
        self._wake_all()

    def _wake_all(self) -> None:
        for wake in tuple(self._followers):
            wake()

    def _give_beat(self) -> None:
        self.beats += 1
        self._beat = asyncio.get_running_loop().call_later(SSE_HEARTBEAT_SECONDS, self._give_beat)
        self._wake_all()

    def _rest(self) -> None:
        """Nobody follows: keep nothing."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self._events.clear()
        self._bytes = 0
        self._joined = (0, 0, b"")
