"""Brings ready tasks and waiting credits together.

A credit claims at once where its classes have work that nobody was sent for, else it waits. A commit that makes n
tasks of a class ready sends up to n waiting credits to claim, never all. A claim that finds nothing puts its credit
back, to the place it had.

No wake-up is lost inside the process. All steps run on the event loop, without an await between looking and acting,
and keep two things: `demand` never estimates too little, and no credit waits while a class it serves is stocked
(`_place` looks before it lets a credit wait, `_wake` follows every rise of a backlog). So when nothing is under way, a
class with a ready task is stocked, and a stocked class has no waiting credit. The one exception is a store that is
busy: its credits wait for the next news or sweep, lest they hammer it; so do those of an agent whose own budget has
no room. What happens outside the process (another server, a lost message) costs at most one sweep.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import structlog

from agent_swarm.domain.budgets import EXPECTED, Amount
from agent_swarm.domain.errors import (
    AgentStopped,
    BudgetExhausted,
    Denied,
    Superseded,
    SwarmError,
    TooLarge,
    Unavailable,
)
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.permissions import STANDARD, Profiles
from agent_swarm.services.dispatch.claims import LEASE, Claim, Claims
from agent_swarm.services.dispatch.demand import Demand, Demands
from agent_swarm.services.dispatch.seats import Credit, Receiver, Seat
from agent_swarm.services.dispatch.waiting import WaitingRoom
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.operations import CreateTasks, Operation
from agent_swarm.store.records import ClaimedTask, Event, TaskSpec
from agent_swarm.store.refusals import superseded

log = structlog.get_logger()

CREDITS_PER_SEAT = 1_000
NO_LABELS: frozenset[str] = frozenset()
_OPENED = frozenset(
    {"killSwitch.lifted", "swarm.resumed", "budget.opened", "budget.changed", "budget.removed", "budget.renewed"}
)
LOSSES = frozenset({"leaseExpired", "superseded"})  # after which the same agent is the best one to go on (rule T4)


class Dispatcher:
    """Push dispatch by credits, for the connections of this process."""

    def __init__(
        self, store: Store, *, lease: int = LEASE, profiles: Profiles = STANDARD, estimate: Amount = EXPECTED
    ) -> None:
        self._store = store
        self._lease = lease
        self._demands = Demands()
        self._room = WaitingRoom()
        self._claims = Claims(store, self._settle, lease=lease, profiles=profiles, estimate=estimate)
        self._credits: dict[str, Credit] = {}  # waiting or being claimed for, by claim id
        self._owed: list[Credit] = []  # with an answer that the store was too busy to give again
        self._missed: list[Committed] | None = []  # what is committed while the classes are being read
        self._foretold: Counter[int] = Counter()  # tasks of the batch under way that claims in it were started for
        self._nothing_foretold: Counter[int] = Counter()  # of the batches of other servers
        self._subscriptions: list[Callable[[], None]] = []
        self._extra_sweep: asyncio.Task[None] | None = None
        self._must_sweep = False
        self._looking: set[asyncio.Task[None]] = set()
        self._stopped: set[str] = set()  # agents that get no work
        self._described: dict[str, AgentProfile] = {}  # by people, since these agents' connections last told
        self._learning = asyncio.Lock()  # the last look is the one that counts

    async def open(self) -> None:
        """Learn what there is; from here on every commit is heard."""
        self._subscriptions = [self._store.subscribe(self._on_committed), self._store.foresee(self._on_batch)]
        self._stopped.update(await self._store.read(lambda queries: queries.stopped_agents()))
        await self.sweep()
        missed, self._missed = self._missed or [], None
        for committed in missed:
            self._on_committed(committed)

    def close(self) -> None:
        """Hear of no more commits; claims under way come to their end. Idempotent."""
        for unsubscribe in self._subscriptions:
            unsubscribe()
        for task in (self._extra_sweep, *self._looking):
            if task is not None:
                task.cancel()

    # --- seats ----------------------------------------------------------------------------------------------------

    def join(self, agent: AgentProfile, instance_id: str, receiver: Receiver) -> Seat:
        """A connection of an agent's process; its credits are answered to `receiver`."""
        agent = self._described.get(agent.id, agent)
        seat = self._room.sit_down(agent, instance_id, receiver, now=self._store.now())
        seat.is_stopped = agent.id in self._stopped
        return seat

    def leave(self, seat: Seat) -> None:
        """The connection is gone, and its waiting credits with it; idempotent.

        A claim that commits after this stays leased: it is answered again when the worker comes back with its claim id
        (rule T2), else it lapses.
        """
        if seat.is_open:
            for credit in self._room.get_up(seat):
                del self._credits[credit.claim_id]

    def describe(self, agent: AgentProfile) -> None:
        """The agent registered again with this profile: from now on it decides what its connections may claim."""
        self._described.pop(agent.id, None)
        self._redescribe(agent)

    def _redescribe(self, agent: AgentProfile) -> None:
        for credit in self._room.change(agent):
            self._place(credit)

    def seats_of(self, agent_id: str) -> tuple[Seat, ...]:
        """The connections of an agent in this process."""
        return self._room.seats_of(agent_id)

    @property
    def waiting(self) -> int:
        """How many credits wait."""
        return len(self._credits) - len(self._claims)

    # --- credits --------------------------------------------------------------------------------------------------

    def offer(self, seat: Seat, claim_ids: Sequence[str]) -> None:
        """New credits for free slots; one that is known already moves to this seat and is not counted twice."""
        new = [claim_id for claim_id in dict.fromkeys(claim_ids) if not self._is_known(seat, claim_id)]
        if len(seat.waiting) + seat.claiming + len(new) > CREDITS_PER_SEAT:
            raise TooLarge(
                f"{len(new)} more credits would be over the limit of {CREDITS_PER_SEAT} per connection",
                hint="send one credit per free slot",
                details={"limit": CREDITS_PER_SEAT},
            )
        for claim_id in new:
            if seat.is_open:
                self._place(self._new(seat, claim_id))

    async def redeem(self, seat: Seat, claim_ids: Sequence[str]) -> None:
        """Credits that may have been sent before: those with a claim are answered again (rule T2), the others wait."""
        # What is under way here is adopted before the read; of the rest the read sees the outcome.
        unknown = [claim_id for claim_id in claim_ids if not self._is_known(seat, claim_id)]
        claimed = await self._claimed_under(seat.agent.id, unknown) if unknown else ()
        for claim_id in unknown:
            if claim_id not in claimed:
                self.offer(seat, (claim_id,))
            elif seat.is_open and not self._is_known(seat, claim_id):
                self._claims.start(self._new(seat, claim_id))

    async def withdraw(self, agent_id: str, claim_ids: Sequence[str]) -> list[str]:
        """Take back credits of an agent; answers those that have a claim all the same."""
        under_way: list[Claim] = []
        unknown: list[str] = []
        for claim_id in claim_ids:
            credit, claim = self._credits.get(claim_id), self._claims.get(claim_id)
            if credit is None or credit.seat.agent.id != agent_id:
                unknown.append(claim_id)
            elif claim is not None:
                credit.is_withdrawn = True
                under_way.append(claim)
            else:
                self._room.forget(credit)
                del self._credits[claim_id]
        if under_way:
            await asyncio.wait([claim.answer for claim in under_way])
        claimed = {claim.credit.claim_id for claim in under_way if claim.found is not None}
        if unknown:
            claimed |= await self._claimed_under(agent_id, unknown)
        return [claim_id for claim_id in claim_ids if claim_id in claimed]

    # --- news -----------------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Read what is ready and send for it, so that a lost wake-up costs one sweep at most."""

        def reading(queries: Queries) -> tuple[set[int], Mapping[int, Requirements]]:
            ready = queries.ready_classes()
            known = all(class_id in self._demands for class_id in ready)
            return ready, {} if known else queries.classes()

        ready, classes = await self._store.read(reading)
        self._learn(classes)
        self._room.bring_back()  # whose budget has no room finds that out again
        self.look(ready)
        self._redeem_owed()
        self._room.compact()

    def look(self, class_ids: Iterable[int]) -> None:
        """These classes have work, says somebody who does not know how much."""
        for class_id in class_ids:
            if class_id in self._demands:
                self._wake(self._demands.suspect(class_id))
            else:
                self._sweep_soon()

    def _on_batch(self, operations: Sequence[Operation[Any]]) -> None:
        """Claim in the batch that creates, where a credit waits: one commit instead of two.

        The tasks are told of ahead of the news. Where one of them comes to nothing, its claim finds nothing.
        """
        self._foretold.clear()
        if self._missed is not None:
            return
        for operation in operations:
            if isinstance(operation, CreateTasks):
                for new in operation.tasks:
                    if new.is_claimable:
                        self._claim_ahead(new.spec)

    def _claim_ahead(self, spec: TaskSpec) -> None:
        demand = self._demands.of(spec.requires)
        credit = None if demand is None else self._room.pick(demand.id, self._room.fitting(frozenset(spec.labels)))
        if demand is not None and credit is not None:
            self._foretold[demand.id] += 1
            self._demands.tell(demand.id, 1)
            self._send(credit, demand)

    def _on_committed(self, committed: Committed) -> None:
        if self._missed is not None:
            self._missed.append(committed)
            return
        foretold = self._nothing_foretold if committed.is_foreign else self._foretold
        self._learn(committed.classes)
        favourites: list[str] = []
        for event in committed.events:
            if event.type == "task.claimed":
                self._claims.hear(event)
                if committed.is_foreign:
                    self._look_for_answers(event.data["agentId"])
            elif event.type == "task.requeued" and event.data.get("reason") in LOSSES:
                favourites += self._judge_loser(str(event.data.get("agentId")), event.at)
            elif event.type == "task.offerRejected":
                self._room.put_last(str(event.data.get("agentId")))  # others first: it has just said no
            elif event.type in _OPENED:
                self._sweep_soon()  # claims found nothing meanwhile
            else:
                self._hear_of_agent(event)
        # All news first: a claim started for one class has to look at the others, too.
        told = [
            self._demands.tell(class_id, max(0, number - foretold[class_id]))
            for class_id, number in committed.ready.items()
            if class_id in self._demands
        ]
        for demand in told:
            self._wake(demand, favourites, committed.labels.get(demand.id, ()))
        if len(told) < len(committed.ready):  # another node made the class
            self._sweep_soon()

    def _hear_of_agent(self, event: Event) -> None:
        """What decides whether an agent may claim, and what."""
        match event.type:
            case "agent.registered":
                self._supersede(event)
            case "agent.profileChanged":
                self._soon(self._learn_profile(event.subject_id))
            case "agent.stopped":
                self._stop(event.subject_id)
            case "agent.started":
                self._start(event.subject_id)
            case "swarm.joined" | "swarm.left" if event.data["agentId"] in self._described:
                # Its connection ends and comes back; what it is then was read before it was in there.
                self._soon(self._learn_profile(event.data["agentId"]))

    def _learn(self, classes: Mapping[int, Requirements]) -> None:
        for demand in self._demands.learn(classes):
            self._room.learn(demand.id, demand.needs)

    def _judge_loser(self, agent_id: str, at: int) -> list[str]:
        """An agent that lost a task goes on with it where it has come back; else it may be dead, and comes last."""
        if any(seat.since > at - self._lease for seat in self._room.seats_of(agent_id)):
            return [agent_id]
        self._room.put_last(agent_id)
        return []

    def _supersede(self, event: Event) -> None:
        """Rule T11: a new process of the agent takes the place of the old one."""
        for seat in self._room.seats_of(event.subject_id):
            if seat.instance_id != event.data["instanceId"]:
                self._expel(seat, superseded(event.subject_id))

    def _stop(self, agent_id: str) -> None:
        self._stopped.add(agent_id)
        self._room.stop(agent_id)

    def _start(self, agent_id: str) -> None:
        self._stopped.discard(agent_id)
        for credit in self._room.start(agent_id):
            self._place(credit)

    def _sweep_soon(self) -> None:
        """Sweep from now on: a sweep under way may have looked before the news."""
        self._must_sweep = True
        if self._extra_sweep is None or self._extra_sweep.done():
            self._extra_sweep = asyncio.ensure_future(self._sweep_extra())

    async def _sweep_extra(self) -> None:
        while self._must_sweep:
            self._must_sweep = False
            await self.sweep()

    # --- matching ---------------------------------------------------------------------------------------------------

    def _wake(self, demand: Demand, favourites: Sequence[str] = (), labels: Sequence[frozenset[str]] = ()) -> None:
        """Send as many waiting credits as there are tasks nobody was sent for; `labels` are those of some of them."""
        wishes = iter(labels)
        while demand.backlog:
            fitting = self._room.fitting(next(wishes, NO_LABELS))
            credit = self._room.pick(demand.id, (*favourites, *fitting))
            if credit is None:
                return
            self._send(credit, demand)

    def _place(self, credit: Credit, *, in_front: bool = False) -> None:
        """Let a credit claim where there is work for it, else wait."""
        for served in () if credit.seat.is_stopped else self._room.served_by(credit.seat):
            demand = self._demands.stocked_among(served)
            if demand is not None:
                self._send(credit, demand)
                return
        self._room.wait(credit, in_front=in_front)

    def _send(self, credit: Credit, demand: Demand) -> None:
        """Claim for `credit` whatever comes first of all that it serves; because of `demand` there is something."""
        look = self._demands.promise(demand, self._room.served_by(credit.seat))
        self._claims.start(credit, demand, look)

    def _settle(self, claim: Claim, refusal: BaseException | None) -> None:
        """A claim has its answer: book it, hand it over, and send for what may still lie there."""
        credit, demand = claim.credit, claim.demand
        if refusal is not None:
            is_over = self._refused(claim, refusal)
        else:
            is_over = True
            self._looked(claim)
        if demand is not None and is_over:
            self._wake(demand)
        if not credit.seat.claiming:
            credit.seat.receiver.settled()

    def _looked(self, claim: Claim) -> None:
        credit, demand, found = claim.credit, claim.demand, claim.found
        if found is None:
            if demand is not None:
                self._demands.empty(demand, claim.look)
            self._put_back(credit)
            return
        if demand is not None:
            self._book(credit.seat, demand, found)
        del self._credits[credit.claim_id]
        if credit.seat.is_open:
            credit.seat.remember(credit.claim_id)
            credit.seat.receiver.claimed(found, claim.token)
        else:
            log.info("claim_unheard", agent_id=credit.seat.agent.id, task_id=found.task.spec.id)

    def _book(self, seat: Seat, demand: Demand, found: ClaimedTask) -> None:
        if not self._claims.is_new(found):  # a doubled credit: its earlier answer again
            self._demands.broken(demand)
            return
        needs = found.task.spec.requires
        may_be_pinned = seat.own and self._demands.of(needs.pinned_to(seat.agent.id)) is not None
        self._demands.kept(demand, self._demands.of(needs) if not may_be_pinned or needs.agent_id else None)

    def _refused(self, claim: Claim, refusal: BaseException) -> bool:
        """What becomes of a credit whose claim was refused; answers whether others may try now."""
        credit = claim.credit
        if claim.demand is not None:
            self._demands.broken(claim.demand)
        if isinstance(refusal, Unavailable) or not isinstance(refusal, SwarmError):
            if not isinstance(refusal, Unavailable):
                log.error("claim_failed", agent_id=credit.seat.agent.id, exc_info=refusal)
            if claim.demand is None:
                self._owed.append(credit)
            self._put_back(credit, until_news=True)
            return False
        if isinstance(refusal, BudgetExhausted):  # others may have what it cannot
            self._room.set_aside(credit.seat.agent.id)
            self._put_back(credit, until_news=True)
            return True
        if isinstance(refusal, AgentStopped):  # its end is told after this answer: until then the credit waits
            self._stop(credit.seat.agent.id)
            self._put_back(credit)
            return True
        del self._credits[credit.claim_id]
        if isinstance(refusal, Superseded):
            self._expel(credit.seat, refusal)
        elif credit.seat.is_open:
            credit.seat.receiver.refused(credit.claim_id, refusal)
        return True

    def _put_back(self, credit: Credit, *, until_news: bool = False) -> None:
        if credit.is_withdrawn or not credit.seat.is_open:
            del self._credits[credit.claim_id]
        elif until_news:
            self._room.wait(credit, in_front=True)
        else:
            self._place(credit, in_front=True)

    # --- credits, seen from inside ------------------------------------------------------------------------------------

    def _new(self, seat: Seat, claim_id: str) -> Credit:
        credit = self._credits[claim_id] = Credit(claim_id, seat)
        return credit

    def _is_known(self, seat: Seat, claim_id: str) -> bool:
        """Whether this credit is accounted for; one of an earlier connection of the same process moves to `seat`."""
        if seat.has_answered(claim_id):
            return True
        credit = self._credits.get(claim_id)
        if credit is None:
            return False
        old = credit.seat
        if (old.agent.id, old.instance_id) != (seat.agent.id, seat.instance_id):
            seat.receiver.refused(claim_id, _not_yours(claim_id))
            return True
        credit.is_withdrawn = False
        if old is not seat:
            self._move(credit, seat)
        return True

    def _move(self, credit: Credit, seat: Seat) -> None:
        old = credit.seat
        if self._claims.get(credit.claim_id) is None:
            self._room.forget(credit)
            credit.seat = seat
            self._place(credit)
            return
        credit.seat = seat
        old.claiming -= 1
        seat.claiming += 1
        if not old.claiming:
            old.receiver.settled()

    def _redeem_owed(self) -> None:
        """Answer again what could not be answered because the store was busy."""
        owed, self._owed = self._owed, []
        for credit in owed:
            if credit.seat.waiting.get(credit.claim_id) is credit:
                self._room.forget(credit)
                self._claims.start(credit)

    def _look_for_answers(self, agent_id: str) -> None:
        """Another server claimed for this agent, perhaps for a credit that has come over to a seat here since."""
        if any(seat.waiting or seat.claiming for seat in self._room.seats_of(agent_id)):
            self._soon(self._give_answers(agent_id))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        looking = asyncio.ensure_future(work)
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)

    async def _learn_profile(self, agent_id: str) -> None:
        """People have said something else of an agent; its connections of this process claim by that."""
        async with self._learning:
            agent = await self._store.read(lambda queries: queries.agent(agent_id))
            if agent is not None:
                self._described[agent_id] = agent.profile
                self._redescribe(agent.profile)

    async def _give_answers(self, agent_id: str) -> None:
        if under_way := self._claims.answers_of(agent_id):
            await asyncio.wait(under_way)  # one of them may look too early, find nothing and wait again
        waiting = [claim_id for seat in self._room.seats_of(agent_id) for claim_id in seat.waiting]
        for claim_id in await self._claimed_under(agent_id, waiting):
            credit = self._credits.get(claim_id)
            if credit is not None and credit.seat.waiting.get(claim_id) is credit:
                self._room.forget(credit)
                self._claims.start(credit)

    async def _claimed_under(self, agent_id: str, claim_ids: Sequence[str]) -> set[str]:
        held = await self._store.read(lambda queries: queries.claimed_under(claim_ids))
        return {claimed.claim_id for claimed in held if claimed.task.state.agent_id == agent_id}

    def _expel(self, seat: Seat, refusal: Superseded) -> None:
        if seat.is_open:
            self.leave(seat)
            seat.receiver.superseded(refusal)


def _not_yours(claim_id: str) -> Denied:
    return Denied(
        f"claim id {claim_id!r} is in use by another worker",
        hint="make a new random claim id for every credit",
        details={"claimId": claim_id},
    )
