"""One client's event stream.

From the ring while it keeps up, from the table when it comes back, `reset` when it was away too long.
At most one chunk is held per client: the next one is made after the connection has taken the last.
"""

from collections.abc import Awaitable, Callable

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent_swarm.protocol.limits import EVENT_REPLAY
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.ring import EventRing, encode
from agent_swarm.server.stopping import HeldRequest, Stopping
from agent_swarm.services.events import EventFilter
from agent_swarm.store.base import Store

REPLAY_EVENTS = 200  # read from the table at once
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream(Response):
    """Sends events from `after` on (None: from now on) until the client leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self,
        *,
        store: Store,
        ring: EventRing,
        stopping: Stopping,
        metrics: Metrics,
        after: int | None,
        wanted: EventFilter,
        is_allowed: Callable[[], Awaitable[bool]],
    ) -> None:
        super().__init__()
        self._store = store
        self._ring = ring
        self._stopping = stopping
        self._metrics = metrics
        self._after = after
        self._wanted = wanted
        self._is_allowed = is_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["state"].get("is_head"):
            await send({"type": "http.response.body", "body": b""})
            return
        async with HeldRequest(receive, self._stopping) as held:
            leave = self._ring.follow(held.wake)
            self._metrics.streams.inc()
            try:
                await self._run(held, send)
                await send({"type": "http.response.body", "body": b""})
            except RuntimeError as exc:
                if "closed" not in str(exc):  # uvloop's words about a connection that the client has just aborted
                    raise
            finally:
                self._metrics.streams.dec()
                leave()

    async def _run(self, held: HeldRequest, send: Send) -> None:
        ring = self._ring
        cursor = ring.head if self._after is None else self._after
        beats = ring.beats
        await _send(send, b": connected\nretry: 1000\n\n")
        if cursor > ring.head:  # from another database: its numbers mean nothing here
            cursor = await self._reset(send)
        while not held.is_over:
            if beats != ring.beats:
                beats = ring.beats
                if not await self._is_allowed():  # the token was revoked since
                    return
                # The id spares a client of few events a long replay when it comes back.
                await _send(send, b"id: %d\n: heartbeat\n\n" % cursor)
            elif cursor == ring.head:
                await held.sleep()
            elif cursor >= ring.tail:
                content, cursor = ring.since(cursor, self._wanted)
                if content:
                    await _send(send, content)
            elif ring.head - cursor > EVENT_REPLAY:
                cursor = await self._reset(send)
            else:
                cursor = await self._replay(cursor, send)

    async def _replay(self, cursor: int, send: Send) -> int:
        """Send a page from the table; answers the seq it goes up to."""
        page = await self._store.read(lambda queries: queries.events_after(cursor, limit=REPLAY_EVENTS))
        if not page or page[0].seq != cursor + 1:  # what came next has been archived
            return await self._reset(send)
        shown = [encode(event).content for event in page if self._wanted.shows(event.type, event.task_id)]
        if shown:
            await _send(send, b"".join(shown))
        return page[-1].seq

    async def _reset(self, send: Send) -> int:
        """Tell the client to read the state anew; it goes on from the present."""
        self._metrics.resets.inc()
        head = self._ring.head
        await _send(send, b"event: reset\nid: %d\ndata: %s\n\n" % (head, orjson.dumps({"type": "reset", "seq": head})))
        return head


async def _send(send: Send, content: bytes) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": True})
