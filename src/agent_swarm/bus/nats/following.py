"""Reading a stream in order and without gaps, over broken links, dead servers and slow moments.

The server pushes messages to an inbox of ours, numbers them, and says now and then that it lives. A number that is
missing, silence, or another connection ends the session; the next one begins after the last message that was taken in.
The place is ours to keep: NATS remembers nothing about a reader.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NotJSMessageError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig, StreamInfo

from agent_swarm.bus.nats.ending import ended
from agent_swarm.bus.nats.link import FAILURES, Link
from agent_swarm.bus.nats.streams import ensured, jetstream
from agent_swarm.domain.errors import Unavailable

log = structlog.get_logger()

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 4.0
FORGET_SECONDS = 30.0  # after which the server forgets a reader that is gone
RETRY_SECONDS = 0.5
START_SECONDS = 10.0  # how long a start waits for a cluster that has no leader

Take = Callable[[Msg], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a stream was read. `stream` says which one: a new one of the same name begins at 1 again."""

    stream: str
    seq: int


class Following:
    """Calls `take` for every message of a stream, one after the other; a message at which it fails comes again."""

    def __init__(self, link: Link, stream: StreamConfig, take: Take, *, place: Place | None) -> None:
        """`place` None begins with what is published from now on."""
        self._link = link
        self._stream = stream
        self._task: asyncio.Task[None] | None = None
        self.take = take
        self.name = stream.name or ""
        self.place = place

    async def start(self) -> None:
        """Return when what is published from now on will be taken in. Raises Unavailable."""
        give_up_at = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            try:
                session = await self._begin(await self._link.connected())
                break
            except FAILURES as exc:  # an election may be under way
                if asyncio.get_running_loop().time() > give_up_at:
                    raise Unavailable(
                        f"NATS is there but does not give the stream {self.name}: {type(exc).__name__}",
                        hint="look whether a majority of its servers is up",
                    ) from exc
                await asyncio.sleep(RETRY_SECONDS)
        self._task = asyncio.create_task(self._run(session), name=f"follow-{self.name}")

    async def stop(self) -> None:
        """End; again is fine."""
        task, self._task = self._task, None
        if task is not None:
            await ended([task])

    async def _run(self, session: "_Session | None") -> None:
        while True:
            try:
                session = session or await self._begin(await self._link.connected())
                await session.until_broken()
            except (*FAILURES, Unavailable) as exc:
                log.debug("nats_session_failed", stream=self.name, reason=str(exc))
            finally:
                if session is not None:
                    await session.end()
                session = None
            await asyncio.sleep(RETRY_SECONDS * random.random())  # noqa: S311 - spreads attempts

    async def _begin(self, client: Client) -> "_Session":
        info = await ensured(client, self._stream)
        identity = str(info.created)
        self.place = resumed(self.place, identity, info)
        session = _Session(self, self._link, client)
        await session.begin(identity, self.place.seq + 1)
        return session


def resumed(place: Place | None, identity: str, info: StreamInfo) -> Place:
    """Where to go on: after the last message, or at the beginning where the stream is another or lost its end."""
    if place is None:
        return Place(identity, info.state.last_seq)
    if place.stream != identity or place.seq > info.state.last_seq:
        return Place(identity, 0)
    return place


class _Session:
    """One reader at the server, from its first message to the first one that is missing."""

    def __init__(self, following: Following, link: Link, client: Client) -> None:
        self._following = following
        self._link = link
        self._client = client
        self._stream = ""
        self._consumer = ""
        self._expected = 1
        self._broken = asyncio.Event()
        self._heard_at = 0.0

    async def begin(self, identity: str, first: int) -> None:
        """Have messages from `first` on pushed to us."""
        self._stream = identity
        self._heard_at = asyncio.get_running_loop().time()
        inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(inbox, cb=self._on_message)
        config = ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=first,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            flow_control=True,
            idle_heartbeat=HEARTBEAT_SECONDS,
            inactive_threshold=FORGET_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        try:
            found = await jetstream(self._client).add_consumer(self._following.name, config)
        except BaseException:
            await self.end()
            raise
        self._consumer = found.name

    async def until_broken(self) -> None:
        """Return when the link is another one, a message is missing, or the server has been silent for too long."""
        clock = asyncio.get_running_loop().time
        while self._link.is_current(self._client) and clock() - self._heard_at < SILENCE_SECONDS:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._broken.wait()
                return
            except TimeoutError:
                pass

    async def end(self) -> None:
        """Have no more messages come."""
        self._broken.set()
        with contextlib.suppress(*FAILURES):
            if self._link.is_current(self._client):
                await self._subscription.unsubscribe()
                if self._consumer:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await jetstream(self._client).delete_consumer(self._following.name, self._consumer)

    async def _on_message(self, message: Msg) -> None:
        if self._broken.is_set():
            return
        try:
            await self._handle(message)
        except FAILURES as exc:
            log.debug("nats_message_failed", stream=self._following.name, reason=str(exc))
            self._broken.set()
        except Exception:
            log.exception("nats_message_failed", stream=self._following.name)
            self._broken.set()
        self._heard_at = asyncio.get_running_loop().time()

    async def _handle(self, message: Msg) -> None:
        headers = message.headers or {}
        if "Status" in headers:
            await self._on_status(message, headers)
            return
        try:
            found = message.metadata
        except NotJSMessageError:
            return  # nobody but the server sends to an inbox of ours
        if found.consumer != self._consumer and self._consumer:
            return
        if found.sequence.consumer != self._expected:
            self._broken.set()
            return
        await self._following.take(message)
        self._expected += 1
        if not self._broken.is_set():  # else the next session is at work, and has this message again
            self._following.place = Place(self._stream, found.sequence.stream)

    async def _on_status(self, message: Msg, headers: dict[str, str]) -> None:
        """A heartbeat, which says how many messages there should have been, or the wish to hear how far we are."""
        if int(headers.get("Nats-Last-Consumer", 0)) >= self._expected:
            self._broken.set()
        for reply in (message.reply, headers.get("Nats-Consumer-Stalled")):
            if reply:
                await self._client.publish(reply)
