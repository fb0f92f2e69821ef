"""The estimate of what is ready never falls below what is ready."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_swarm.domain.matching import Requirements
from agent_swarm.services.dispatch.demand import Demand, Demands, Look

CLASSES = (1, 2, 3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ready", "vanish", "suspect", "foreign", "start", "look", "look", "answer", "answer", "fail", "repeat"]
        ),
        st.integers(0, 1_000),
        st.sets(st.sampled_from(CLASSES)),
    ),
    max_size=60,
)


class Claim:
    """A claim on its way: started, then looked, then answered."""

    def __init__(self, demand: Demand, look: Look) -> None:
        self.demand = demand
        self.look = look
        self.has_looked = False
        self.taken: int | None = None


class World:
    """The truth, and the estimate beside it."""

    def __init__(self) -> None:
        self.ready = dict.fromkeys(CLASSES, 0)
        self.claims: list[Claim] = []
        self.demands = Demands()
        self.demands.learn({n: Requirements(tags=frozenset({str(n)})) for n in CLASSES})

    def step(self, what: str, pick: int, served: set[int]) -> None:
        class_id = CLASSES[pick % len(CLASSES)]
        match what:
            case "ready":
                self.ready[class_id] += 1 + pick % 2
                self.demands.tell(class_id, 1 + pick % 2)
            case "vanish":
                self.ready[class_id] = 0
            case "foreign":
                self.ready[class_id] += 1 + pick % 3
                self.demands.suspect(class_id)
            case "suspect":
                self.demands.suspect(class_id)
            case "start":
                demand = self.demands.stocked_among(frozenset(served))
                if demand is not None:
                    self.claims.append(Claim(demand, self.demands.promise(demand, [frozenset(served)])))
            case "look":
                self.look(pick)
            case "answer" | "fail" | "repeat":
                self.answer(what, pick)

    def look(self, pick: int) -> None:
        waiting = [claim for claim in self.claims if not claim.has_looked]
        if waiting:
            claim = waiting[pick % len(waiting)]
            claim.has_looked = True
            found = sorted(class_id for class_id in claim.look.class_ids if self.ready[class_id])
            if found:
                claim.taken = found[pick % len(found)]
                self.ready[claim.taken] -= 1

    def answer(self, what: str, pick: int) -> None:
        if not self.claims:
            return
        claim = self.claims[pick % len(self.claims)]
        if what == "answer" and claim.has_looked:
            self.claims.remove(claim)
            if claim.taken is None:
                self.demands.empty(claim.demand, claim.look)
            else:  # sometimes its class cannot be told
                self.demands.kept(claim.demand, self.demands[claim.taken] if pick % 4 else None)
        elif what != "answer" and not claim.has_looked:  # refused, or an older answer again
            self.claims.remove(claim)
            self.demands.broken(claim.demand)


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None)
@given(STEPS)
def test_given_any_history_of_news_and_claims_then_backlog_and_promises_cover_what_is_ready(
    steps: list[tuple[str, int, set[int]]],
) -> None:
    world = World()
    for step in steps:
        world.step(*step)
        for class_id in CLASSES:
            demand = world.demands[class_id]
            assert demand.promised == sum(1 for claim in world.claims if claim.demand is demand)
            assert demand.backlog >= 0
            covered = demand.backlog + demand.promised
            assert covered >= (min(1, world.ready[class_id]) if demand.uncounted else world.ready[class_id])
            assert (demand.backlog > 0) == (world.demands.stocked_among(frozenset({class_id})) is demand)


def known(count: int = 1) -> tuple[Demands, list[Demand]]:
    demands = Demands()
    return demands, demands.learn({n: Requirements(tags=frozenset({str(n)})) for n in range(1, count + 1)})


ONE, BOTH = [frozenset({1})], [frozenset({1, 2})]


def test_given_news_when_a_claim_that_looked_before_it_finds_nothing_then_the_news_stands() -> None:
    demands, [demand] = known()
    demands.tell(1, 1)
    look = demands.promise(demand, ONE)
    demands.tell(1, 1)
    demands.empty(demand, look)
    assert demand.backlog >= 1


def test_given_a_claim_robbed_by_another_one_when_news_came_in_between_then_the_news_stands() -> None:
    demands, [ours, theirs] = known(2)
    demands.tell(1, 1)
    demands.tell(2, 1)
    look = demands.promise(ours, ONE)
    demands.promise(theirs, BOTH)
    demands.tell(1, 1)  # after both have looked
    demands.kept(theirs, ours)
    demands.empty(ours, look)
    assert ours.backlog >= 1


def test_given_no_news_when_a_claim_finds_nothing_then_nobody_is_sent_any_more() -> None:
    demands, [demand] = known()
    demands.tell(1, 5)
    demands.empty(demand, demands.promise(demand, ONE))
    assert (demand.backlog, demand.promised) == (0, 0)
    assert demands.stocked_among(frozenset({1})) is None


@pytest.mark.parametrize("cause", ["cancelled", "suspected"])
def test_given_one_claim_too_many_when_news_keeps_coming_then_it_dies_out(cause: str) -> None:
    """Else every waiting credit would try again with every commit."""
    demands, [demand] = known()
    if cause == "cancelled":
        demands.tell(1, 1)
    else:
        demands.suspect(1)
    vain = [demands.promise(demand, ONE)]
    sent = 0
    for _ in range(10):
        demands.tell(1, 1)
        demands.promise(demand, ONE)
        while vain:
            demands.empty(demand, vain.pop())
        while demand.backlog:
            vain.append(demands.promise(demand, ONE))
            sent += 1
        demands.kept(demand, demand)
    assert (sent, demand.uncounted) == (0, False)
