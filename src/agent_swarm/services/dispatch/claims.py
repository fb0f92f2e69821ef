"""Claims under way: one statement each, batched by the store with everything else of the moment."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agent_swarm.domain.budgets import EXPECTED, Amount
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.permissions import Profiles
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import LEASE_SECONDS
from agent_swarm.services.dispatch.demand import Demand, Look
from agent_swarm.services.dispatch.seats import Credit
from agent_swarm.services.tokens import Scope, mint
from agent_swarm.store.base import Store
from agent_swarm.store.operations import ClaimTask
from agent_swarm.store.records import ClaimedTask, Event, TokenKind

LEASE = int(LEASE_SECONDS * SECOND)
FILING = frozenset({Scope.CHILDREN_CREATE.value, Scope.OWN_SCHEDULES.value})
NOWHERE = Look()
COMMITTED_REMEMBERED = 10_000  # one forgotten too early costs a claim that finds nothing


@dataclass(slots=True, eq=False)
class Claim:
    """One claim. `demand` is what it was started for; None where an earlier answer is sent again."""

    credit: Credit
    demand: Demand | None
    look: Look
    token: str  # the attempt's, in clear
    answer: "asyncio.Future[ClaimedTask | None]"
    found: ClaimedTask | None = None


class Claims:
    """The claims of this process that have no answer yet; `settle` is called with each answer, on the event loop."""

    def __init__(
        self,
        store: Store,
        settle: Callable[[Claim, BaseException | None], None],
        *,
        lease: int,
        profiles: Profiles,
        estimate: Amount = EXPECTED,
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._estimate = estimate
        self._settle = settle
        self._lease = lease
        self._under_way: dict[str, Claim] = {}
        self._committed: set[tuple[str, int]] = set()  # (task, fence) of those that are committed and not yet answered

    def __len__(self) -> int:
        return len(self._under_way)

    def get(self, claim_id: str) -> Claim | None:
        """The claim under way with this id."""
        return self._under_way.get(claim_id)

    def answers_of(self, agent_id: str) -> "list[asyncio.Future[ClaimedTask | None]]":
        """The answers that an agent's claims under way will have."""
        return [claim.answer for claim in self._under_way.values() if claim.credit.seat.agent.id == agent_id]

    def start(self, credit: Credit, demand: Demand | None = None, look: Look = NOWHERE) -> None:
        """Claim a task of one of the classes to look at, or what is held under this claim id already."""
        seat = credit.seat
        minted = mint(
            TokenKind.ATTEMPT,
            now=self._store.now(),
            agent_role=seat.agent.agent_role,
            agent_id=seat.agent.id,
            instance_id=seat.instance_id,
        )
        operation = ClaimTask(
            claim_id=credit.claim_id,
            agent_id=seat.agent.id,
            instance_id=seat.instance_id,
            class_ids=look.class_ids,
            lease=self._lease,
            token=minted.record,
            profiles=self._profiles,
            filing=FILING,
            estimate=self._estimate,
        )
        answer = self._begin(operation)
        claim = Claim(credit, demand, look, minted.text, answer)
        self._under_way[credit.claim_id] = claim
        seat.claiming += 1
        answer.add_done_callback(lambda _: self._answered(claim))

    def _begin(self, operation: ClaimTask) -> "asyncio.Future[ClaimedTask | None]":
        try:
            return self._store.begin(operation)
        except SwarmError as refusal:  # a claim is answered later, whatever the answer
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(refusal)
            return refused

    def hear(self, event: Event) -> None:
        """A `task.claimed` event; it comes before the answer of its claim."""
        self._committed.add((event.subject_id, event.data["fence"]))

    def is_new(self, found: ClaimedTask) -> bool:
        """Whether the answer is a task taken now, not the repetition of an earlier answer; asked once per answer."""
        state = found.task.state
        if (state.id, state.fence) not in self._committed:
            return False
        self._committed.discard((state.id, state.fence))
        return True

    def _answered(self, claim: Claim) -> None:
        del self._under_way[claim.credit.claim_id]
        claim.credit.seat.claiming -= 1
        if claim.answer.cancelled():
            return
        refusal = claim.answer.exception()
        if refusal is None:
            claim.found = claim.answer.result()
        self._settle(claim, refusal)
        if not self._under_way or len(self._committed) > COMMITTED_REMEMBERED:
            self._committed.clear()  # what is left are claims that others made
