"""Offers of tasks, on every store (rule T13): one agent is asked, nobody else gets it meanwhile, one answer counts."""

from dataclasses import replace

import pytest

from agent_swarm.domain.errors import AgentStopped, CannotTake, IllegalTransition, NotOnOffer, UnknownReference
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.offers import ACCEPT_PIN, OfferStatus
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.families.offers import TASK_OFFERS, TaskOffer, offers_of
from agent_swarm.testing.driver import Driver

TTL = 60 * SECOND


def offer(swarm: Driver, task_id: str, agent_id: str) -> ops.CommandReply:
    reply: ops.CommandReply = swarm.do(ops.OfferTask(task_id=task_id, agent_id=agent_id, ttl=TTL, actor="operator"))
    return reply


def answer(
    swarm: Driver, task_id: str, agent_id: str | None, *, accepts: bool = True, reason: str = ""
) -> ops.CommandReply:
    operation = ops.AnswerOffer(task_id=task_id, agent_id=agent_id, accepts=accepts, actor="operator", reason=reason)
    reply: ops.CommandReply = swarm.do(operation)
    return reply


def kept(swarm: Driver, task_id: str, agent_id: str) -> TaskOffer:
    found = swarm.engine.read(lambda queries: queries.record(TASK_OFFERS, task_id, agent_id))
    assert found is not None
    return found


def types(swarm: Driver, task_id: str) -> list[str]:
    events = swarm.engine.read(lambda queries: queries.events_after(0, limit=1_000))
    return [event.type for event in events if event.task_id == task_id]


def offered(swarm: Driver) -> tuple[str, str, str]:
    """A task that ada is asked to take, and bob is not."""
    ada, bob = swarm.register("ada"), swarm.register("bob")
    task_id = swarm.file()
    offer(swarm, task_id, ada)
    return task_id, ada, bob


def test_given_an_offered_task_when_anybody_claims_then_nobody_gets_it(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    assert swarm.claim(bob) is None
    assert swarm.claim(ada) is None
    assert swarm.state(task_id).status is TaskStatus.OFFERED


def test_given_an_accepted_offer_when_both_claim_then_only_the_agent_that_accepted_gets_it(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    answer(swarm, task_id, ada)
    assert swarm.claim(bob) is None
    assert swarm.take(ada).task_id == task_id
    assert kept(swarm, task_id, ada).status is OfferStatus.ACCEPTED


def test_given_an_accepted_offer_that_its_agent_does_not_come_for_when_its_time_is_over_then_all_may_take_it(
    swarm: Driver,
) -> None:
    task_id, ada, bob = offered(swarm)
    answer(swarm, task_id, ada)
    swarm.now += ACCEPT_PIN
    swarm.timers()
    assert swarm.take(bob).task_id == task_id


def test_given_a_rejected_offer_then_all_may_take_it_and_the_reason_is_kept(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    answer(swarm, task_id, ada, accepts=False, reason="no time")
    assert swarm.take(bob).task_id == task_id
    known = kept(swarm, task_id, ada)
    assert (known.status, known.reason, known.settled_at) == (OfferStatus.REJECTED, "no time", swarm.now)


def test_given_an_offer_that_nobody_answers_when_its_time_is_over_then_it_returns_to_the_queue(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    swarm.now += TTL - 1
    swarm.timers()
    assert swarm.state(task_id).status is TaskStatus.OFFERED
    swarm.now += 1
    swarm.timers()
    assert kept(swarm, task_id, ada).status is OfferStatus.EXPIRED
    assert swarm.take(bob).task_id == task_id
    assert types(swarm, task_id)[:3] == ["task.created", "task.offered", "task.offerExpired"]


@pytest.mark.parametrize("has_ticked", [False, True], ids=["before the timer", "after the timer"])
@pytest.mark.parametrize("accepts", [False, True], ids=["rejects", "accepts"])
def test_given_an_offer_that_ran_out_when_it_is_answered_then_that_is_said(
    swarm: Driver, has_ticked: bool, accepts: bool
) -> None:
    task_id, ada, _ = offered(swarm)
    swarm.now += TTL
    if has_ticked:
        swarm.timers()
    with pytest.raises(NotOnOffer, match="ran out") as refused:
        answer(swarm, task_id, ada, accepts=accepts)
    assert refused.value.details["status"] == "expired"


def test_given_an_answer_when_the_same_comes_again_then_nothing_changes(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    assert not answer(swarm, task_id, ada).repeated
    assert answer(swarm, task_id, ada).repeated
    swarm.take(ada)
    assert answer(swarm, task_id, ada).repeated
    assert types(swarm, task_id).count("task.offerAccepted") == 1


def test_given_a_rejection_when_it_comes_again_then_nothing_changes(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    assert not answer(swarm, task_id, ada, accepts=False).repeated
    assert answer(swarm, task_id, ada, accepts=False).repeated


def test_given_an_answer_when_another_one_comes_then_the_first_counts(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    answer(swarm, task_id, ada)
    with pytest.raises(NotOnOffer, match="was accepted"):
        answer(swarm, task_id, ada, accepts=False)
    assert swarm.take(ada).task_id == task_id


def test_given_an_offer_to_one_agent_when_another_answers_then_it_is_refused(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    with pytest.raises(NotOnOffer, match="never offered"):
        answer(swarm, task_id, bob)
    answer(swarm, task_id, ada, accepts=False)
    offer(swarm, task_id, bob)
    with pytest.raises(NotOnOffer, match="was rejected"):
        answer(swarm, task_id, ada)
    answer(swarm, task_id, None)
    assert swarm.take(bob).task_id == task_id


def test_given_an_offer_when_the_same_agent_is_asked_again_then_it_has_the_time_it_had(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    until = swarm.state(task_id).pinned_until
    swarm.now += 10 * SECOND
    assert offer(swarm, task_id, ada).repeated
    assert swarm.state(task_id).pinned_until == until


def test_given_an_offer_when_another_agent_is_asked_then_it_is_refused(swarm: Driver) -> None:
    task_id, _, bob = offered(swarm)
    with pytest.raises(IllegalTransition, match="cannot offer"):
        offer(swarm, task_id, bob)


def test_given_an_accepted_offer_when_another_agent_is_asked_then_it_is_refused(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    answer(swarm, task_id, ada)
    with pytest.raises(NotOnOffer, match="waits for agent"):
        offer(swarm, task_id, bob)
    assert swarm.claim(bob) is None


def test_given_an_agent_that_rejected_when_it_is_asked_again_then_it_may_accept(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    answer(swarm, task_id, ada, accepts=False)
    offer(swarm, task_id, ada)
    assert kept(swarm, task_id, ada).is_open
    answer(swarm, task_id, ada)
    assert swarm.take(ada).task_id == task_id


def test_given_an_agent_that_could_not_run_it_when_it_is_offered_then_what_it_lacks_is_said(swarm: Driver) -> None:
    ada = swarm.register("ada")
    task_id = swarm.file(requires=Requirements(tags=frozenset({"gpu"})))
    with pytest.raises(CannotTake, match="lacks gpu"):
        offer(swarm, task_id, ada)
    addressed = swarm.file(requires=Requirements(agent_id=swarm.register("bob")))
    with pytest.raises(CannotTake, match="addressed to another agent"):
        offer(swarm, addressed, ada)


def test_given_an_agent_that_nobody_knows_when_a_task_is_offered_then_it_is_refused(swarm: Driver) -> None:
    task_id = swarm.file()
    with pytest.raises(UnknownReference):
        offer(swarm, task_id, new_id())
    assert swarm.state(task_id).status is TaskStatus.PENDING


def test_given_an_offered_task_when_it_is_cancelled_then_its_offer_is_over(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    swarm.cancel(task_id)
    assert kept(swarm, task_id, ada).status is OfferStatus.CLOSED
    with pytest.raises(NotOnOffer, match="cancelled"):
        answer(swarm, task_id, ada)
    swarm.now += TTL
    assert swarm.timers() == 0


def test_given_an_agent_that_leaves_when_it_comes_back_in_time_then_it_may_still_accept(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    swarm.do(ops.SignOff(agent_id=ada, instance_id=swarm.instances[ada]))
    swarm.register("ada", agent_id=ada)
    answer(swarm, task_id, ada)
    assert swarm.take(ada).task_id == task_id


def test_given_a_killed_agent_when_its_offer_is_accepted_then_it_gets_nothing_until_it_is_lifted(swarm: Driver) -> None:
    task_id, ada, _ = offered(swarm)
    swarm.kill(ada)
    answer(swarm, task_id, None)
    assert swarm.claim(ada) is None
    swarm.lift(ada)
    assert swarm.take(ada).task_id == task_id


def test_given_a_stopped_agent_when_it_is_offered_a_task_then_that_is_refused_until_it_is_started(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada")
    task_id = swarm.file()
    swarm.stop(ada)
    with pytest.raises(AgentStopped):
        offer(swarm, task_id, ada)
    with pytest.raises(AgentStopped):
        swarm.file(offer=ops.OfferedTo(agent_id=ada, ttl=TTL))
    swarm.let_work(ada)
    assert offer(swarm, task_id, ada).state.status is TaskStatus.OFFERED


def test_given_an_open_offer_when_its_agent_is_stopped_then_all_may_take_it_at_once(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    swarm.stop(ada)
    known = kept(swarm, task_id, ada)
    assert (known.status, known.settled_by, known.reason) == (OfferStatus.REJECTED, "tester", "it was stopped")
    with pytest.raises(NotOnOffer, match="rejected"):
        answer(swarm, task_id, ada)
    assert swarm.take(bob).task_id == task_id


def test_given_an_offer_that_has_run_out_when_its_agent_is_stopped_then_the_timer_says_so(swarm: Driver) -> None:
    task_id, ada, bob = offered(swarm)
    swarm.now += TTL
    swarm.stop(ada)
    swarm.timers()
    assert kept(swarm, task_id, ada).status is OfferStatus.EXPIRED
    assert swarm.take(bob).task_id == task_id


def test_given_an_accepted_offer_when_its_agent_is_stopped_then_it_waits_for_it_as_long_as_was_agreed(
    swarm: Driver,
) -> None:
    task_id, ada, bob = offered(swarm)
    answer(swarm, task_id, ada)
    swarm.stop(ada)
    assert swarm.claim(bob) is None
    swarm.now += ACCEPT_PIN
    swarm.timers()
    swarm.beat(bob)
    assert swarm.take(bob).task_id == task_id


def test_given_a_task_that_is_filed_for_an_agent_to_answer_then_it_is_offered_at_once(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    task_id = swarm.file(offer=ops.OfferedTo(agent_id=ada, ttl=TTL))
    assert swarm.claim(bob) is None
    assert types(swarm, task_id) == ["task.created", "task.offered"]
    assert [one.agent_id for one in swarm.engine.read(lambda queries: offers_of(queries, task_id))] == [ada]
    answer(swarm, task_id, ada)
    assert swarm.take(ada).task_id == task_id


def test_given_a_batch_with_a_task_for_an_agent_that_could_not_run_it_when_it_is_filed_then_nothing_is(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada")
    fine = swarm.file()
    spec = replace(swarm.task(fine).spec, id=new_id(), requires=Requirements(tags=frozenset({"gpu"})))
    new = ops.NewTask(spec=spec, offer=ops.OfferedTo(agent_id=ada, ttl=TTL))
    other = ops.NewTask(spec=replace(spec, id=new_id(), requires=Requirements()))
    with pytest.raises(CannotTake):
        swarm.do(ops.CreateTasks(tasks=(other, new), actor="operator"))
    assert swarm.engine.read(lambda queries: queries.task(other.spec.id)) is None
