"""The messages of one run: those that its agent begins with, and those that come while it works.

A message reaches the agent once, however often it comes: by its id. That the worker has it, and that the agent has it,
is written to the spool, so the server hears of it whatever happens to this process. What the agent does not take stays
the server's, and comes with the next attempt.
"""

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.faults import crash_point
from agent_swarm.harness.base import AgentEvent, Emit, EventKind, Session
from agent_swarm.protocol.pool import Claimed, MessageText
from agent_swarm.worker import mail_text
from agent_swarm.worker.spool import Kind, Spool

log = structlog.get_logger(__name__)


class Mailbox:
    """Of one attempt. `reads` says whether its agent can be told anything at all."""

    def __init__(self, claim: Claimed, spool: Spool, *, reads: bool) -> None:
        self._digest = claim.messages if reads else ()
        self._spool = spool
        self._reads = reads
        self._seen = {message.id for message in self._digest}
        self._coming: asyncio.Queue[MessageText] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._is_over = False
        self._is_told = False

    @property
    def digest(self) -> str:
        """What the agent is told at its beginning."""
        return mail_text.digest(self._digest)

    @property
    def messages(self) -> Sequence[MessageText]:
        """The messages in it."""
        return self._digest

    async def begin(self, emit: Emit) -> None:
        """The agent is about to be told its digest; told once, whichever agent goes on with the attempt."""
        if self._digest and not self._is_told:
            self._is_told = True
            self._note(delivered=self._digest)
            for message in self._digest:
                await emit(_shown(message))

    def following(self, emit: Emit) -> Emit:
        """`emit`, which lets messages through once the agent has said something: before, it has not begun."""
        self._begun.clear()

        async def heard(event: AgentEvent) -> None:
            self._begun.set()
            await emit(event)

        return heard

    def take(self, messages: Iterable[MessageText]) -> None:
        """Messages have come; those that came before are passed over."""
        new = [message for message in messages if message.id not in self._seen]
        if not new or self._is_over:
            return
        if not self._reads:
            self._refuse()
            return
        crash_point("mailbox.coming")
        self._seen.update(message.id for message in new)
        self._note(delivered=new)
        for message in new:
            self._coming.put_nowait(message)

    async def hand_over(self, session: Session, emit: Emit) -> None:
        """Give the agent what comes, in order, until cancelled. It need not have read one to be given the next."""
        await self._begun.wait()
        async with asyncio.TaskGroup() as group:
            while True:
                message = await self._coming.get()
                group.create_task(self._give(message, session, emit))

    def ended(self, *, keeps: bool) -> None:
        """The run is over; the agent has its digest where it did its work, or leaves a conversation that knows it."""
        self._is_over = True
        if self._digest and keeps:
            self._note(acknowledged=self._digest)

    async def _give(self, message: MessageText, session: Session, emit: Emit) -> None:
        try:
            await session.send(mail_text.spoken(message), interrupt=message.interrupt, message_id=message.id)
        except SwarmError as exc:
            log.info("message_not_taken", message_id=message.id, reason=exc.message)
            self._seen.discard(message.id)
            self._refuse()
            return
        crash_point("mailbox.given")
        self._note(acknowledged=[message])
        await emit(_shown(message))

    def _refuse(self) -> None:
        self._spool.append(Kind.RECEIVED, {"refused": True})

    def _note(self, *, delivered: Sequence[MessageText] = (), acknowledged: Sequence[MessageText] = ()) -> None:
        body = {"delivered": [one.id for one in delivered], "acknowledged": [one.id for one in acknowledged]}
        self._spool.append(Kind.RECEIVED, body)


def _shown(message: MessageText) -> AgentEvent:
    data = {"id": message.id, "from": message.sender_name, "text": message.text}
    return AgentEvent(EventKind.MESSAGE, data)
