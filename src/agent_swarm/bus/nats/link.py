"""One connection to NATS, and another one whenever it is lost.

The library could come back by itself, but then waits on a peer that stopped reading and gives up on some errors. Here
a connection is used until it is closed or does not answer a ping, thrown away, and made anew; whoever uses it sets up
again what it needs.
"""

import asyncio
import contextlib
import os
import random
import ssl
from collections.abc import Mapping
from itertools import count

import structlog
from nats.aio.client import Client
from nats.errors import AuthorizationError, Error, MaxPayloadError

from agent_swarm.bus.nats.ending import ended
from agent_swarm.bus.nats.settings import NatsSettings
from agent_swarm.domain.errors import Unavailable

log = structlog.get_logger()

DIAL_SECONDS = 3.0  # for one server
PING_SECONDS = 2.0  # between two
PONG_SECONDS = 4.0  # a server that takes longer is given up
ACK_SECONDS = 2.0  # until a stream has what was published
PAUSE_SECONDS = 2.0  # the longest between two attempts
FAREWELL_SECONDS = 1.0  # for the end of a connection
PAYLOAD_BYTES = 600 * 1024  # what the biggest message needs: lines of a transcript, the last one a long one
FAILURES = (Error, OSError, TimeoutError)  # of whatever is asked of NATS; try again later


class Link:
    """The connection that notices and transcripts share. It lives from the first `open` to the last `close`."""

    def __init__(self, settings: NatsSettings, *, name: str) -> None:
        self.settings = settings
        self.outages = 0
        self.is_storing = True  # what was published last was acknowledged
        self._name = name
        self._turn = count(random.randrange(len(settings.servers)))  # noqa: S311 - spreads nodes over servers
        self._users = 0
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._came_up = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._farewells: set[asyncio.Task[None]] = set()

    @property
    def is_up(self) -> bool:
        """There is a connection, as far as is known."""
        return self._client is not None

    @property
    def is_useful(self) -> bool:
        """What is published now will most likely be acknowledged soon."""
        return self.is_up and self.is_storing

    async def open(self) -> None:
        """Connect, unless that was done. Raises Unavailable where none of the servers answers as it should."""
        async with self._opening:
            if self._supervisor is None:
                self._take_up(await self._dial_any())
                self._supervisor = asyncio.create_task(self._supervise(), name="nats-link")
            self._users += 1

    async def close(self) -> None:
        """End the connection when its last user is gone."""
        async with self._opening:
            self._users -= 1
            if self._users > 0 or self._supervisor is None:
                return
            supervisor, self._supervisor = self._supervisor, None
            await ended([supervisor])
            self._drop()
            if self._farewells:
                await asyncio.wait(self._farewells, timeout=FAREWELL_SECONDS)

    async def connected(self) -> Client:
        """The connection, as soon as there is one."""
        while self._client is None:
            await self._came_up.wait()
        return self._client

    def is_current(self, client: Client) -> bool:
        """It was not replaced, and is not closed."""
        return client is self._client and not client.is_closed

    async def publish(self, subject: str, payload: bytes, *, id: str, headers: Mapping[str, str] | None = None) -> None:
        """Return when a stream has the message; with the same `id` it has it once. Raises one of FAILURES."""
        client = await self.connected()
        try:
            await client.jetstream().publish(
                subject, payload, timeout=ACK_SECONDS, headers={**(headers or {}), "Nats-Msg-Id": id}
            )
        except MaxPayloadError:
            raise
        except FAILURES as exc:
            if self.is_storing and self.is_current(client):
                log.warning("nats_stores_nothing", servers=self.settings.shown, reason=type(exc).__name__)
            self.is_storing = False
            raise
        if not self.is_storing:
            log.info("nats_stores_again", servers=self.settings.shown)
        self.is_storing = True

    async def _supervise(self) -> None:
        while True:
            await self._until_lost()
            self.outages += 1
            log.warning("nats_lost", servers=self.settings.shown)
            self._drop()
            self._take_up(await self._dial_until_it_works())
            log.info("nats_back", servers=self.settings.shown)

    async def _until_lost(self) -> None:
        client = self._client
        while client is not None and not client.is_closed:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._lost.wait()
                return
            except TimeoutError:
                pass
            try:
                await client.flush(timeout=PONG_SECONDS)  # type: ignore[arg-type]  # fractions are fine
            except FAILURES:
                return

    def _take_up(self, client: Client) -> None:
        self._client = client
        self._came_up.set()

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._came_up.clear()
        if client is not None:
            task = asyncio.create_task(_end(client))
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)

    async def _dial_until_it_works(self) -> Client:
        for attempt in count():
            try:
                return await self._dial_any()
            except Unavailable:
                longest = min(PAUSE_SECONDS, 0.1 * 2 ** min(attempt, 10))
                await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - spreads attempts
        raise AssertionError("unreachable")

    async def _dial_any(self) -> Client:
        servers = self.settings.servers
        first = next(self._turn)
        refusals: list[Unavailable] = []
        for number in range(first, first + len(servers)):
            try:
                return await self._dial(servers[number % len(servers)])
            except Unavailable as refusal:
                refusals.append(refusal)
        raise next((refusal for refusal in refusals if not _is_absence(refusal)), refusals[0])

    async def _dial(self, server: str) -> Client:
        self._require_credentials()
        client, lost = Client(), asyncio.Event()
        told: list[Exception] = []

        async def on_error(error: Exception) -> None:
            told.append(error) if len(told) < 10 else None

        async def on_closed() -> None:
            lost.set()

        settings = self.settings
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                await client.connect(
                    servers=[server],
                    name=self._name,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    ping_interval=3600,  # pings are ours
                    error_cb=on_error,
                    closed_cb=on_closed,
                    user=settings.user,
                    password=settings.password,
                    token=settings.token,
                    user_credentials=settings.credentials and str(settings.credentials),
                    tls=ssl.create_default_context() if server.startswith("tls:") else None,
                )
            _require_room(client, server)
        except BaseException as exc:
            await _end(client)
            if isinstance(exc, FAILURES):
                raise _refusal(server, [exc, *told]) from None
            raise
        self._lost = lost
        return client

    def _require_credentials(self) -> None:
        path = self.settings.credentials
        if path is not None and not os.access(path, os.R_OK):
            raise Unavailable(f"the credentials for NATS cannot be read: {path}", hint="correct AGENT_SWARM_NATS_CREDS")


def _require_room(client: Client, server: str) -> None:
    if client.max_payload < PAYLOAD_BYTES:
        raise Unavailable(
            f"NATS at {server} takes messages of at most {client.max_payload} bytes, expected {PAYLOAD_BYTES}",
            hint="set max_payload in its configuration; 1MB is its default",
        )


def _refusal(server: str, errors: list[Exception]) -> Unavailable:
    if any(isinstance(error, AuthorizationError) or "authoriz" in str(error).lower() for error in errors):
        return Unavailable(
            f"NATS at {server} refused the credentials, or wants some",
            hint="give user:password@ or token@ in AGENT_SWARM_NATS_URL, or a file in AGENT_SWARM_NATS_CREDS",
        )
    if any(isinstance(error, ssl.SSLError) for error in errors):
        return Unavailable(
            f"NATS at {server}: no TLS connection could be made",
            hint="use tls:// where the server speaks it, and a certificate that this machine trusts",
        )
    return Unavailable(
        f"NATS at {server} cannot be reached",
        hint="start it (nats-server -js), correct AGENT_SWARM_NATS_URL, or leave that out",
        details={"absent": True},
    )


def _is_absence(refusal: Unavailable) -> bool:
    return bool(refusal.details.get("absent"))


async def _end(client: Client) -> None:
    """Let go of a connection; a peer that does not read must not hold us up."""
    with contextlib.suppress(*FAILURES):
        async with asyncio.timeout(FAREWELL_SECONDS):
            await client.close()
