"""One process of an agent, as it is connected now: its open credits, and the way to it."""

from collections.abc import Sequence
from typing import Protocol

import structlog

from agent_swarm.domain.errors import SwarmError, TooLarge, Unavailable
from agent_swarm.domain.matching import AgentProfile
from agent_swarm.faults import crash_point
from agent_swarm.protocol.limits import LEASE_SECONDS
from agent_swarm.protocol.pool import FrameType
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.briefing import Answer, Briefings, claimed_body
from agent_swarm.server.pool.owners import Owner, Owners
from agent_swarm.services.dispatch import CREDITS_PER_SEAT, Dispatcher, Seat
from agent_swarm.services.tokens import Identity
from agent_swarm.store.records import ClaimedTask

log = structlog.get_logger()


class Way(Protocol):
    """How frames get to the process. Called on the event loop; must not block."""

    def push(self, frame: bytes) -> None:
        """Send a frame that the server sends on its own."""
        ...

    def settled(self) -> None:
        """No answer to a credit is on its way any more."""
        ...

    def end(self, reason: SwarmError | None) -> None:
        """The process has no business here any more, for `reason`; None after it said goodbye."""
        ...


class Presence:
    """Meets `services.dispatch.Receiver`.

    Its credits are offered while it sits, that is while somebody is there to take the answers: as long as a socket is
    open, or a poll waits. What is claimed otherwise is asked for again by claim id as soon as it sits down.
    """

    __slots__ = (
        "_background_asked",
        "_briefings",
        "_dispatcher",
        "_open",
        "_owners",
        "_seat",
        "agent",
        "identity",
        "is_over",
        "met_at",
        "syncs",
        "way",
    )

    def __init__(
        self,
        identity: Identity,
        agent: AgentProfile,
        way: Way,
        *,
        dispatcher: Dispatcher,
        briefings: Briefings,
        owners: Owners,
        met_at: int,
    ) -> None:
        self.met_at = met_at  # its token and process counted then
        self.identity = identity
        self.agent = agent
        self.way = way
        self.is_over = False
        self.syncs: bool | None = None  # its worker answers `sync` frames; it says so when it greets
        self._dispatcher = dispatcher
        self._briefings = briefings
        self._owners = owners
        self._seat: Seat | None = None
        self._open: dict[str, None] = {}  # claim ids without an answer, oldest first
        self._background_asked = 0

    @property
    def instance_id(self) -> str:
        """The process."""
        return self.identity.instance_id or ""

    @property
    def is_settling(self) -> bool:
        """An answer to a credit is on its way."""
        return self._background_asked > 0 or (self._seat is not None and self._seat.claiming > 0)

    async def sit_down(self) -> None:
        """Offer the open credits; those that have a claim already are answered again."""
        if self._seat is not None or self.is_over:
            return
        self._seat = self._dispatcher.join(self.agent, self.instance_id, self)
        await self.redeem(tuple(self._open))

    def get_up(self) -> None:
        """Offer nothing for the time being; idempotent."""
        seat, self._seat = self._seat, None
        if seat is not None:
            self._dispatcher.leave(seat)

    def end(self, reason: SwarmError | None) -> None:
        """Nothing more is for this process; idempotent."""
        if not self.is_over:
            self.is_over = True
            self.get_up()
            self.way.end(reason)

    # --- credits --------------------------------------------------------------------------------------------------

    def expect(self, claim_ids: Sequence[str]) -> None:
        """These are all credits without an answer, says the process that has just connected."""
        self._open = dict.fromkeys(claim_ids)

    async def redeem(self, claim_ids: Sequence[str]) -> None:
        """Answer again what has a claim already, and offer the rest."""
        if self._seat is not None and claim_ids:
            await self._dispatcher.redeem(self._seat, claim_ids)

    def offer(self, claim_ids: Sequence[str]) -> None:
        """Free slots. Raises TooLarge where there are too many."""
        new = [claim_id for claim_id in claim_ids if claim_id not in self._open]
        if len(self._open) + len(new) > CREDITS_PER_SEAT:
            raise TooLarge(
                f"{len(new)} more credits would be over the limit of {CREDITS_PER_SEAT} per worker",
                hint="send one credit per free slot",
                details={"limit": CREDITS_PER_SEAT},
            )
        self._open.update(dict.fromkeys(claim_ids))
        if self._seat is not None:
            self._dispatcher.offer(self._seat, claim_ids)

    async def withdraw(self, claim_ids: Sequence[str]) -> list[str]:
        """Take credits back; answers those that have a claim all the same."""
        claimed = await self._dispatcher.withdraw(self.agent.id, claim_ids)
        for claim_id in set(claim_ids).difference(claimed):
            self._open.pop(claim_id, None)
        return claimed

    # --- answers to credits: services.dispatch.Receiver -----------------------------------------------------------

    def claimed(self, claimed: ClaimedTask, token: str) -> None:
        """A credit is answered."""
        state = claimed.task.state
        self._open.pop(claimed.claim_id, None)
        self._owners.remember(state.id, state.fence, Owner(self.agent.id, state.attempt, claimed.task.spec.has_terms))
        self._background_asked += 1
        crash_point("pool.claimed")
        self._briefings.ask(
            claimed.task,
            lambda answer: self._brief(claimed, answer, token),
            profile_version=claimed.profile_version,
        )

    def refused(self, claim_id: str, refusal: SwarmError) -> None:
        """A credit will never be answered."""
        self._open.pop(claim_id, None)
        refusal.details["claimId"] = claim_id
        self.way.push(wire.error(claim_id, refusal))

    def superseded(self, refusal: SwarmError) -> None:
        """A newer process runs under this AGENT_ID."""
        self._seat = None
        self.end(refusal)

    def settled(self) -> None:
        """No claim is under way."""
        if not self.is_settling:
            self.way.settled()

    def _brief(self, claimed: ClaimedTask, answer: Answer, token: str) -> None:
        self._background_asked -= 1
        if self.is_over:
            return
        if answer is None:  # the claim stands; the next connection asks for it
            self.end(Unavailable("the store cannot be read now", hint="connect again"))
            return
        if isinstance(answer, SwarmError):  # the attempt has ended: the worker offers the slot under another id
            self.refused(claimed.claim_id, answer)
            self.settled()
            return
        body = claimed_body(claimed, answer, token=token, lease_seconds=LEASE_SECONDS)
        self.way.push(wire.push(FrameType.CLAIMED, claimed.claim_id, body))
        self.settled()
