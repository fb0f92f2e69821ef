"""The kill switch on every store: what it ends, what it lets begin, and who may hold it down."""

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.errors import Killed, StaleLease, UnknownReference
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.kill_switch import Activation, SwitchStatus
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.tasks import AttemptOutcome, PauseReason, TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.families.switches import all_switches, killed_switches
from agent_swarm.store.records import TokenKind, TokenRecord
from agent_swarm.testing.driver import Driver


def token_of(swarm: Driver, agent_id: str) -> int:
    """The epoch of the agent's latest token, which ended the one before."""
    tokens = swarm.engine.read(lambda q: q.tokens())
    return next(token for token in reversed(sorted_by_end(tokens)) if token.agent_id == agent_id).epoch


def sorted_by_end(tokens: list[TokenRecord]) -> list[TokenRecord]:
    """Those that ended first, then the one that counts."""
    return sorted(tokens, key=lambda token: (token.revoked_at is None, token.created_at))


def outcome_of(swarm: Driver, task_id: str) -> AttemptOutcome | None:
    """How the first attempt ended."""
    attempt = swarm.engine.read(lambda q: q.attempt(task_id, 1))
    return None if attempt is None else attempt.outcome


def test_given_running_attempts_when_everything_is_killed_then_each_ends_and_its_task_waits_for_a_person(
    swarm: Driver,
) -> None:
    agents = [swarm.register(name) for name in ("ada", "bob", "cy")]
    tasks = [swarm.file() for _ in agents]
    held = [swarm.take(agent) for agent in agents[:2]]
    claimed = swarm.claim(agents[2])
    assert claimed is not None

    reply = swarm.kill(reason="they deploy on their own")

    assert (reply.switch.attempts, reply.switch.awaited) == (3, dict.fromkeys(sorted(agents), 1))
    for task_id in tasks:
        state = swarm.state(task_id)
        assert (state.status, state.pause_reason, state.fence) == (TaskStatus.PAUSED, PauseReason.KILL, 2)
        assert outcome_of(swarm, task_id) is AttemptOutcome.KILLED
    with pytest.raises(StaleLease):
        swarm.complete(held[0])
    assert [verdict.renewed for verdict in swarm.beat(agents[0], held[0])] == [False]


def test_given_the_switch_is_on_when_credits_come_then_they_wait_and_nothing_can_be_filed(swarm: Driver) -> None:
    ada = swarm.register()
    task_id = swarm.file()
    swarm.kill(reason="enough")

    assert swarm.claim(ada) is None
    with pytest.raises(Killed, match="enough"):
        swarm.file()
    swarm.lift()
    claimed = swarm.claim(ada)
    assert claimed is not None
    assert claimed.task.spec.id == task_id


def test_given_a_claim_and_an_activation_in_one_batch_when_it_is_applied_then_the_switch_comes_first(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    swarm.file()
    credit = swarm.claim_operation(ada)
    asked = ops.ActivateKillSwitch(scope=swarm.kill().switch.scope, asked=_asked())
    swarm.lift()

    replies = swarm.run(credit, asked)

    assert replies[0] is None
    assert replies[1].switch.attempts == 0


def test_given_tokens_when_the_switch_is_used_then_only_those_made_afterwards_have_the_epoch(swarm: Driver) -> None:
    ada = swarm.register()
    before = token_of(swarm, ada)
    swarm.kill()
    swarm.register(agent_id=ada, instance=swarm.instances[ada])
    swarm.lift()

    assert (before, token_of(swarm, ada), swarm.engine.read(lambda q: q.epoch())) == (0, 1, 1)
    swarm.file()
    claimed = swarm.claim(ada)
    assert claimed is not None
    assert {token.epoch for token in swarm.engine.read(lambda q: q.tokens()) if token.task_id} == {1}


def test_given_two_agents_when_one_is_killed_then_the_other_goes_on(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    first, second = swarm.file(), swarm.file()
    of_ada, of_bob = swarm.take(ada), swarm.take(bob)

    reply = swarm.kill(ada)

    assert (reply.switch.attempts, dict(reply.switch.awaited)) == (1, {ada: 1})
    assert swarm.state(of_ada.task_id).pause_reason is PauseReason.KILL
    assert swarm.complete(of_bob).state.status is TaskStatus.COMPLETED
    tokens = swarm.engine.read(lambda q: q.tokens())
    valid = {one.agent_id for one in tokens if one.kind is TokenKind.AGENT and one.revoked_at is None}
    assert (ada in valid, bob in valid) == (False, True)
    third = swarm.file()
    assert swarm.claim(ada) is None
    assert swarm.take(bob).task_id == third
    assert {first, second} == {of_ada.task_id, of_bob.task_id}
    swarm.lift(ada)
    swarm.file()
    assert swarm.claim(ada) is not None


def test_given_an_agent_that_nobody_knows_when_it_is_killed_then_that_is_refused(swarm: Driver) -> None:
    with pytest.raises(UnknownReference):
        swarm.kill(new_id())


def test_given_killed_tasks_when_it_is_lifted_with_resume_then_those_nobody_decided_about_go_on(swarm: Driver) -> None:
    agents = [swarm.register(name) for name in ("ada", "bob", "cy")]
    for _ in agents:
        swarm.file()
    kept, cancelled, held_back = (swarm.take(agent).task_id for agent in agents)
    swarm.kill()
    swarm.cancel(cancelled)
    swarm.command(commands.RequestPause(task_id=held_back))

    reply = swarm.lift(resume=True)

    assert reply.resumed == 1
    assert [swarm.state(task_id).status.value for task_id in (kept, cancelled, held_back)] == [
        "pending",
        "cancelled",
        "paused",
    ]
    assert swarm.lift(resume=True).resumed == 0


def test_given_a_lift_without_resume_when_it_is_asked_for_later_then_the_tasks_go_on(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    swarm.kill()
    assert swarm.lift().resumed == 0
    assert swarm.state(held.task_id).status is TaskStatus.PAUSED

    reply = swarm.lift(resume=True)

    assert (reply.repeated, reply.resumed) == (True, 1)
    assert swarm.claim(ada) is None, "its worker may still believe that it holds the lease"
    swarm.do(ops.AcknowledgeKill(activation=reply.switch.id, agent_id=ada, runs=1))
    assert swarm.take(ada).fence == held.fence + 2


def test_given_a_worker_that_does_not_confirm_when_its_task_is_resumed_then_it_waits_for_the_end_of_the_lease(
    swarm: Driver,
) -> None:
    swarm.register("ada")
    bob = swarm.register("bob")
    swarm.file()
    held = swarm.take(next(agent for agent in swarm.profiles if agent != bob))
    swarm.kill()
    swarm.lift(resume=True)

    assert swarm.claim(bob) is None
    swarm.advance(29)
    swarm.timers()
    assert swarm.claim(bob) is None
    swarm.advance(2)
    swarm.timers()
    assert swarm.take(bob).task_id == held.task_id


def test_given_a_killed_task_when_its_worker_confirms_before_it_is_resumed_then_it_can_be_taken_at_once(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    swarm.file()
    swarm.take(ada)
    switch = swarm.kill().switch
    swarm.do(ops.AcknowledgeKill(activation=switch.id, agent_id=ada, runs=1))
    swarm.lift(resume=True)

    assert swarm.take(ada).fence == 3


def test_given_the_switch_is_on_when_it_is_used_again_then_the_first_reason_stands(swarm: Driver) -> None:
    first = swarm.kill(reason="one").switch
    again = swarm.kill(reason="two")

    assert (again.repeated, again.switch.reason, again.switch.id) == (True, "one", first.id)
    assert [event.type for event in swarm.engine.read(lambda q: q.events_after(0, limit=10))] == [
        "killSwitch.activated"
    ]
    assert swarm.engine.read(lambda q: q.epoch()) == 1


def test_given_agents_with_attempts_when_they_confirm_then_nobody_is_waited_for_any_more(swarm: Driver) -> None:
    ada = swarm.register()
    swarm.file()
    swarm.take(ada)
    switch = swarm.kill().switch
    heard = ops.AcknowledgeKill(activation=switch.id, agent_id=ada, runs=1)

    assert [swarm.do(heard), swarm.do(heard)] == [True, False]
    assert [dict(one.awaited) for one in swarm.engine.read(all_switches)] == [{}]


def test_given_a_request_and_a_flag_when_the_flag_goes_then_the_request_still_holds(swarm: Driver) -> None:
    swarm.kill(source="file:here", fingerprint="1")
    swarm.kill()

    swarm.lift(source="file:here")
    assert [one.status for one in swarm.engine.read(killed_switches)] == [SwitchStatus.KILLED]
    swarm.lift()
    assert swarm.engine.read(killed_switches) == []


def test_given_a_flag_that_a_person_overruled_when_it_is_seen_again_then_only_a_new_one_counts(swarm: Driver) -> None:
    swarm.kill(source="file:here", fingerprint="1")
    swarm.lift()

    assert swarm.kill(source="file:here", fingerprint="1").switch.status is SwitchStatus.ARMED
    assert swarm.kill(source="file:here", fingerprint="2").switch.status is SwitchStatus.KILLED


def test_given_a_swarm_when_it_is_killed_then_its_tasks_and_its_agents_stop_and_others_go_on(swarm: Driver) -> None:
    ada, bob, cy = (swarm.register(name) for name in ("ada", "bob", "cy"))
    checkout = swarm.create_swarm("checkout", ada, bob)
    swarm.create_swarm("search", cy)
    swarm.file(requires=Requirements(swarm_id=checkout, agent_id=ada))
    swarm.file(requires=Requirements(agent_id=bob))
    swarm.file(requires=Requirements(agent_id=cy))
    of_swarm, of_member, of_other = swarm.take(ada), swarm.take(bob), swarm.take(cy)

    reply = swarm.kill(checkout, reason="they deploy")

    assert (reply.switch.attempts, dict(reply.switch.awaited)) == (2, dict(sorted({ada: 1, bob: 1}.items())))
    for held in (of_swarm, of_member):
        assert swarm.state(held.task_id).pause_reason is PauseReason.KILL
    assert swarm.complete(of_other).state.status is TaskStatus.COMPLETED
    tokens = swarm.engine.read(lambda q: q.tokens())
    valid = {one.agent_id for one in tokens if one.kind is TokenKind.AGENT and one.revoked_at is None}
    assert valid == {cy}
    free = swarm.file()
    assert [swarm.claim(ada), swarm.claim(bob)] == [None, None]
    assert swarm.take(cy).task_id == free
    with pytest.raises(Killed, match="they deploy"):
        swarm.file(requires=Requirements(swarm_id=checkout))
    heard = ops.AcknowledgeKill(activation=reply.switch.id, agent_id=ada, runs=1)
    assert [swarm.do(heard), swarm.do(heard)] == [True, False]


def test_given_a_swarm_that_is_lifted_when_its_agents_ask_then_exactly_what_it_stopped_goes_on(swarm: Driver) -> None:
    ada = swarm.register("ada")
    checkout, search = swarm.create_swarm("checkout", ada), swarm.create_swarm("search")
    waiting = swarm.file(requires=Requirements(swarm_id=checkout))
    swarm.kill(search)
    swarm.kill(checkout)
    assert swarm.claim(ada) is None

    assert swarm.lift(checkout, resume=True).resumed == 0

    assert swarm.take(ada).task_id == waiting
    assert [one.name for one in swarm.engine.read(killed_switches)] == [f"swarm:{search}"]


@pytest.mark.parametrize("lifted", [0, 1, 2])
def test_given_switches_for_all_a_swarm_and_an_agent_when_any_is_left_then_nothing_begins(
    swarm: Driver, lifted: int
) -> None:
    ada = swarm.register("ada")
    checkout = swarm.create_swarm("checkout", ada)
    task_id = swarm.file(requires=Requirements(swarm_id=checkout))
    scopes = ["", checkout, ada]
    for what in scopes:
        swarm.kill(what)
    order = [*scopes[lifted:], *scopes[:lifted]]

    for what in order[:2]:
        swarm.lift(what)
        assert swarm.claim(ada) is None
    swarm.lift(order[2])

    assert swarm.take(ada).task_id == task_id


def test_given_a_swarm_that_is_not_there_when_it_is_killed_then_that_is_refused(swarm: Driver) -> None:
    with pytest.raises(UnknownReference):
        swarm.kill("swarm-1")


def test_given_an_agent_of_a_lifted_swarm_that_has_left_when_it_confirms_then_nobody_waits_for_it(
    swarm: Driver,
) -> None:
    ada = swarm.register("ada")
    checkout = swarm.create_swarm("checkout", ada)
    swarm.file(requires=Requirements(swarm_id=checkout))
    swarm.take(ada)
    switch = swarm.kill(checkout).switch
    swarm.lift(checkout)
    swarm.leave(checkout, ada)

    assert swarm.do(ops.AcknowledgeKill(activation=switch.id, agent_id=ada, runs=1))
    assert [dict(one.awaited) for one in swarm.engine.read(all_switches)] == [{}]


def _asked() -> Activation:
    return Activation(id=new_id(), reason="", by="tester")
