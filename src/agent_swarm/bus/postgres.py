"""Notices by PostgreSQL's LISTEN and NOTIFY: the bus of servers that have nothing but their database in common.

What a batch has to tell travels in its own commit (`store.sql.postgres`); what is published here, in statements of its
own, gathered for a moment. The way is found again by itself; whoever was cut off is told to look.
"""

import asyncio
import contextlib
from typing import Any

import psycopg
import structlog

from agent_swarm.bus.base import NOTICE_BYTES, BusFigures, Hear, Notice, NoticeKind
from agent_swarm.domain.errors import Unavailable

log = structlog.get_logger()

CHANNEL = "agent_swarm"  # the one that `store.sql.postgres` notifies
GATHER_SECONDS = 0.005
OUTBOX = 10_000  # notices; beyond that the oldest are lost, which the others' sweeps make good
RETRY_SECONDS = (0.1, 0.3, 1.0, 3.0)
CLOSE_SECONDS = 1.0
_KEEP_ALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SEND = "SELECT pg_notify(%s, text) FROM unnest(%s::text[]) AS text"


class PostgresBus:
    """Meets `Bus` over the database at `url`, for the server `node`."""

    def __init__(self, url: str, node: str) -> None:
        self._url = url
        self._node = node
        self._hear: Hear = lambda _: None
        self._outbox: dict[bytes, None] = {}  # each notice once, oldest first
        self._has_mail = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._dropped = self._unreadable = self._outages = 0

    async def open(self, hear: Hear) -> None:
        """Listen. Raises Unavailable where the database does not answer."""
        self._hear = hear
        try:
            connection = await self._listening()
        except psycopg.OperationalError as exc:
            raise Unavailable("the database does not answer", hint="check that it runs") from exc
        self._tasks = [
            asyncio.create_task(self._listen(connection), name="bus-listen"),
            asyncio.create_task(self._send(), name="bus-send"),
        ]

    def publish(self, notice: Notice) -> None:
        """Have it sent within a few milliseconds."""
        self._outbox[notice.within(NOTICE_BYTES)] = None
        while len(self._outbox) > OUTBOX:
            del self._outbox[next(iter(self._outbox))]
            self._dropped += 1
        self._has_mail.set()

    def figures(self) -> BusFigures:
        """How it fares; an outage is one of the connection that listens."""
        return BusFigures(
            waiting=len(self._outbox), dropped=self._dropped, unreadable=self._unreadable, outages=self._outages
        )

    async def close(self) -> None:
        """Send what waits, for a moment at most, and end."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        with contextlib.suppress(TimeoutError, psycopg.Error):
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._outbox:
                    async with await self._connected() as connection:
                        await self._deliver(connection)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    # --- hearing --------------------------------------------------------------------------------------------------

    async def _listen(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        tried = 0
        while True:
            try:
                async with connection:
                    async for notification in connection.notifies():
                        tried = 0
                        self._tell(notification.payload)
            except psycopg.Error as exc:
                log.warning("bus_cut_off", reason=type(exc).__name__)
            self._outages += 1
            connection, tried = await self._come_back(tried)
            self._hear(Notice(NoticeKind.COMMITTED, "", {"seq": 0, "ready": None}))  # who knows what was missed

    async def _come_back(self, tried: int) -> "tuple[psycopg.AsyncConnection[Any], int]":
        while True:
            await asyncio.sleep(RETRY_SECONDS[min(tried, len(RETRY_SECONDS) - 1)])
            tried += 1
            try:
                return await self._listening(), tried
            except psycopg.OperationalError:
                continue

    def _tell(self, payload: str) -> None:
        notice = Notice.decoded(payload)
        if notice is None:
            self._unreadable += 1
            return
        if notice.node == self._node:
            return
        try:
            self._hear(notice)
        except Exception:  # one notice must not end the listening
            log.exception("notice_failed", kind=notice.kind.value)

    # --- sending --------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        tried = 0
        while True:
            try:
                async with await self._connected() as connection:
                    while True:
                        await self._has_mail.wait()
                        await asyncio.sleep(GATHER_SECONDS)
                        await self._deliver(connection)
                        tried = 0
            except psycopg.Error as exc:
                log.warning("bus_cannot_send", reason=type(exc).__name__)
            await asyncio.sleep(RETRY_SECONDS[min(tried, len(RETRY_SECONDS) - 1)])
            tried += 1

    async def _deliver(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        sent = list(self._outbox)
        await connection.execute(_SEND, (CHANNEL, [notice.decode() for notice in sent]))
        for notice in sent:
            self._outbox.pop(notice, None)
        if not self._outbox:
            self._has_mail.clear()

    # --- connections ------------------------------------------------------------------------------------------------

    async def _listening(self) -> "psycopg.AsyncConnection[Any]":
        connection = await self._connected()
        await connection.execute(f"LISTEN {CHANNEL}")
        return connection

    async def _connected(self) -> "psycopg.AsyncConnection[Any]":
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="agent-swarm-bus", **_KEEP_ALIVE
        )
        await connection.execute("SET synchronous_commit = off")  # a lost hint is no loss
        return connection
