"""`POST /v1/pool/poll`: the same frames where no WebSocket gets through.

A worker that says hello here has a conversation that outlives its requests: its credits stay known, and are offered
while one of its requests waits; commands that come in between are kept for the next one. Without a hello, credits live
for the request. Claims are never lost with a request: a claim that nobody took home is answered again to whoever waits
next, or greets with its claim id.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from agent_swarm.domain.errors import Conflict, ShuttingDown, SwarmError
from agent_swarm.protocol import limits
from agent_swarm.protocol.pool import FrameType, Wire
from agent_swarm.server.access import identity_of
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.context import PoolContext
from agent_swarm.server.pool.exchange import LARGE_BYTES, Exchange
from agent_swarm.server.pool.presence import Presence
from agent_swarm.server.stopping import HeldRequest

IDLE_SECONDS = 60.0  # without a request, after which a conversation is forgotten
SETTLE_SECONDS = 0.5  # for answers to other credits that are on their way already
WAITING = frozenset({FrameType.HELLO, FrameType.CREDIT})  # whoever sends more than these wants the answers now


class PollBody(Wire):
    """`protocol.pool.PollRequest`, with frames that are looked at one by one: a bad one does not spoil the others."""

    frames: list[dict[str, Any]] = Field(default_factory=list, max_length=1000)
    wait_seconds: float = Field(default=limits.LONG_POLL_SECONDS, ge=0, le=60)


class Conversation:
    """What is said to one worker between and during its requests. Meets `presence.Way`.

    A lasting one goes on for as long as requests come; another one is for one request.
    """

    def __init__(self, *, is_lasting: bool) -> None:
        self.is_lasting = is_lasting
        self.mail: list[bytes] = []
        self.refusal: SwarmError | None = None
        self.is_over = False
        self.requests = 0
        self.on_end: Callable[[], None] = lambda: None
        self._listener: HeldRequest | None = None
        self._expiry: asyncio.TimerHandle | None = None

    # --- Way ------------------------------------------------------------------------------------------------------

    def push(self, frame: bytes) -> None:
        """Keep it for whoever waits, or comes next."""
        self.mail.append(frame)
        self.settled()

    def settled(self) -> None:
        """Have the waiting request look again."""
        if self._listener is not None:
            self._listener.wake()

    def end(self, reason: SwarmError | None) -> None:
        """Refuse from now on for `reason`."""
        self.refusal, self.is_over = reason, True
        self._keep()
        self.on_end()
        if reason is not None:  # else a goodbye is being answered, which the worker has to hear first
            self.settled()

    # --- requests -------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """A request begins."""
        self.requests += 1
        self._keep()

    def leave(self, expire: Callable[[], None]) -> None:
        """A request ends; without another one, `expire` is called after a while."""
        self.requests -= 1
        if self.is_lasting and not self.requests and not self.is_over:
            self._expiry = asyncio.get_running_loop().call_later(IDLE_SECONDS, expire)

    def listen(self, held: HeldRequest) -> None:
        """This request waits; one that waited before it is sent home."""
        before, self._listener = self._listener, held
        if before is not None:
            before.wake()

    def is_listened_to_by(self, held: HeldRequest) -> bool:
        """Whether this is still the request that waits."""
        return self._listener is held

    def hang_up(self) -> None:
        """Nobody waits any more."""
        self._listener = None

    def take_mail(self) -> list[bytes]:
        """What has gathered."""
        mail, self.mail = self.mail, []
        return mail

    def _keep(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None


class PollFace:
    """The route."""

    def __init__(self, pool: PoolContext) -> None:
        self._pool = pool

    async def poll(self, request: Request, body: PollBody) -> Response:
        """Exchange frames, and wait for what the server has to say."""
        wire.require_version(request.scope)
        if self._pool.stopping.is_set:
            raise ShuttingDown("the server is shutting down", hint="try again in a moment")
        presence, conversation = await self._meet(request, body.frames)
        visit = _Visit(self._pool, presence, size=int(request.headers.get("content-length", LARGE_BYTES + 1)))
        conversation.enter()
        try:
            may_wait = await visit.exchange_all(body.frames)
            has_left = may_wait and await self._wait(request, presence, conversation, body.wait_seconds)
        finally:
            conversation.leave(lambda: presence.end(None))
            if not conversation.is_lasting:
                presence.end(None)
        if conversation.refusal is not None:
            raise conversation.refusal
        mail = [] if has_left else conversation.take_mail()
        return Response(b'{"frames":[%s]}' % b",".join([*visit.answers, *mail]), media_type="application/json")

    async def _meet(self, request: Request, sent: list[dict[str, Any]]) -> tuple[Presence, Conversation]:
        """The conversation that a hello begins or began; else one for this request only."""
        identity, roster = identity_of(request), self._pool.roster
        is_greeting = bool(sent) and sent[0].get("type") == FrameType.HELLO
        known = roster.of(identity.agent_id, identity.instance_id)
        if not is_greeting and known is not None and isinstance(known.way, Conversation):
            return known, known.way
        if not sent:
            raise Conflict("there is no conversation to go on with", hint="send hello first")
        conversation = Conversation(is_lasting=is_greeting)
        presence = await self._pool.meet(request.scope, conversation)
        if is_greeting:
            conversation.on_end = lambda: roster.leave(presence)
            roster.enter(presence)
        return presence, conversation

    async def _wait(self, request: Request, presence: Presence, conversation: Conversation, seconds: float) -> bool:
        """Wait for mail, with the credits on offer; answers whether the worker has left meanwhile."""
        until = time.monotonic() + seconds
        async with HeldRequest(request.receive, self._pool.stopping) as held:
            conversation.listen(held)
            try:
                await presence.sit_down()
                is_settling = False
                while conversation.is_listened_to_by(held) and not held.is_over and not conversation.is_over:
                    if conversation.mail and not is_settling:
                        is_settling, until = True, min(until, time.monotonic() + SETTLE_SECONDS)
                    left = until - time.monotonic()
                    if left <= 0 or (conversation.mail and not presence.is_settling):
                        break
                    await held.sleep(left)
            finally:
                if conversation.is_listened_to_by(held):
                    conversation.hang_up()
                    presence.get_up()
            return held.is_over and not self._pool.stopping.is_set


class _Visit:
    """The frames of one request and their answers."""

    def __init__(self, pool: PoolContext, presence: Presence, *, size: int) -> None:
        self._bytes = size  # of all of them: more than any one has
        self.answers: list[bytes] = []
        self._exchange = Exchange(pool, presence, self._answer)
        self._all_answered: asyncio.Future[None] | None = None

    async def exchange_all(self, sent: list[dict[str, Any]]) -> bool:
        """Take all frames and wait for their answers; whether the worker may go on waiting for something else."""
        may_wait = True
        for one in sent:
            try:
                frame = wire.read_object(one)
            except wire.MalformedFrame as exc:
                self.answers.append(wire.error(exc.frame_id, exc.refusal))
                may_wait = False
            else:
                may_wait = may_wait and frame.type in WAITING
                await self._exchange.take(frame, self._bytes)
        if self._exchange.load:
            self._all_answered = asyncio.get_running_loop().create_future()
            await self._all_answered
        return may_wait and not self._exchange.refusals

    def _answer(self, frame: bytes) -> None:
        self.answers.append(frame)
        if not self._exchange.load and self._all_answered is not None and not self._all_answered.done():
            self._all_answered.set_result(None)
