"""Triggers fire in the transaction that ends a task, and what they do is done once, on every store (rule T9)."""

from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain.errors import AlreadyExists, CapReached, Conflict, NotFound
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import MessageKind
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.triggers import (
    DEPTH,
    FAILURES_MAX,
    KEPT,
    KEPT_FIRINGS,
    MESSAGES_PER_HOUR,
    PER_ROOT,
    STANDING,
    TRIM_EVERY,
    FiringStatus,
    TriggerAction,
    TriggerStatus,
    firing_id,
)
from agent_swarm.store import operations as ops
from agent_swarm.store.families.mail import CONVERSATIONS, MESSAGES, Conversation, Message
from agent_swarm.store.families.posting import Addressee, PostMessage
from agent_swarm.store.families.triggers import (
    FIRING_LOOKS,
    FIRINGS,
    FIRINGS_OF,
    HERE,
    OVER,
    TRIGGER_WORK,
    TRIGGERED_ROOTS,
    TRIGGERED_TASKS,
    TRIGGERS,
    Firing,
    TaskTrigger,
    Trigger,
    TriggerWork,
)
from agent_swarm.store.operations import Desk, NewTask, Problem, RecordOperation, Settled, SettleFiring
from agent_swarm.store.records import TaskSpec
from agent_swarm.store.triggering import (
    CreateTrigger,
    ForgetFirings,
    PauseTrigger,
    PutOffFirings,
    Redeliver,
    RemoveTrigger,
    ReportDelivery,
    ResumeTrigger,
    TakeFirings,
)
from agent_swarm.testing.driver import START, Driver

LEASE = 60 * SECOND
HOOK = "https://hooks.example"


def creation(name: str = "tell", **fields: Any) -> CreateTrigger:
    """A standing trigger that files a task when one completed, unless said otherwise."""
    plan: dict[str, Any] = {"events": ("completed",), "action": TriggerAction.CREATE_TASK}
    trigger = Trigger(id=new_id(), name=name, **{**plan, **fields})
    return CreateTrigger(trigger=trigger, work=TriggerWork(trigger_id=trigger.id, does={"createTask": {}}))


def made(swarm: Driver, name: str = "tell", **fields: Any) -> Trigger:
    trigger: Trigger = swarm.do(creation(name, **fields))
    return trigger


def hook(swarm: Driver, **fields: Any) -> Trigger:
    return made(swarm, "hook", action=TriggerAction.WEBHOOK, origin=HOOK, **fields)


def own(task_id: str, **fields: Any) -> TaskTrigger:
    """A trigger of one task."""
    plan: dict[str, Any] = {"events": ("completed",), "action": TriggerAction.CREATE_TASK}
    trigger = Trigger(scope=task_id, id=new_id(), **{**plan, **fields})
    return TaskTrigger(trigger=trigger, work=TriggerWork(trigger_id=trigger.id, does={"createTask": {}}))


def completed(swarm: Driver, agent: str, **fields: Any) -> str:
    """A task that an agent has completed."""
    task_id = swarm.file(**fields)
    swarm.complete(swarm.take(agent))
    return task_id


def firings(swarm: Driver) -> list[Firing]:
    return swarm.engine.read(lambda queries: queries.scan(FIRINGS, limit=10_000))


def the_firing(swarm: Driver) -> Firing:
    (found,) = firings(swarm)
    return found


def filing(swarm: Driver, firing: Firing, **fields: Any) -> SettleFiring:
    """What a server sends that has read the firing: a task below the one that ended."""
    ended = swarm.task(firing.task_id).spec
    spec = TaskSpec(
        id=new_id(), title="t", prompt="p", parent_id=ended.id, root_id=ended.root_id, depth=ended.depth + 1
    )
    plan = {"firing_id": firing.id, "tasks": (NewTask(spec=spec),)}
    return SettleFiring(**{**plan, **fields})


def posting(firing: Firing) -> SettleFiring:
    message = Message(
        id=new_id(), kind=MessageKind.DIRECT, sender="system", sender_name="t", to=("operator",), text="hello"
    )
    post = PostMessage(message=message, addressees=(Addressee(recipient="operator"),), most_hops=4)
    return SettleFiring(firing_id=firing.id, post=post)


def told(swarm: Driver) -> list[str]:
    events = swarm.engine.read(lambda queries: queries.events_after(0, limit=50_000))
    return [event.type for event in events if event.subject_kind == "trigger"]


def tasks(swarm: Driver) -> int:
    return sum(swarm.engine.read(lambda queries: queries.counts()).values())


def standing(swarm: Driver, trigger: Trigger) -> Trigger:
    found = swarm.engine.read(lambda queries: queries.record(TRIGGERS, trigger.scope, trigger.id))
    assert found is not None
    return found


def looks(swarm: Driver) -> list[tuple[str, int]]:
    kept = swarm.engine.read(lambda queries: queries.scan(FIRING_LOOKS, limit=10_000))
    return [(one.lane, one.at) for one in kept]


def test_given_a_standing_trigger_when_tasks_end_then_it_fires_once_for_each_that_ends_so(swarm: Driver) -> None:
    trigger = made(swarm)
    ada = swarm.register()
    held_id = swarm.file()
    held = swarm.take(ada)
    swarm.complete(held)
    swarm.complete(held)  # the same again
    swarm.cancel(swarm.file())
    firing = the_firing(swarm)
    assert firing.id == firing_id(trigger.id, held_id, 1)
    assert (firing.task_id, firing.attempt, firing.event.value) == (held_id, 1, "completed")
    assert (firing.status, firing.look_at, firing.tries) == (FiringStatus.PENDING, START, 0)
    assert looks(swarm) == [("here", START)]
    assert told(swarm) == ["trigger.created", "trigger.fired"]


def test_given_triggers_of_a_task_when_it_ends_then_those_that_are_about_such_an_end_fire(swarm: Driver) -> None:
    ada, task_id, other = swarm.register(), new_id(), new_id()
    fires, does_not = own(task_id, events=("failed", "cancelled")), own(task_id, events=("completed",))
    swarm.file(task_id=task_id, triggers=(fires, does_not), priority=90)
    swarm.file(task_id=other)
    swarm.fail(swarm.take(ada), FailureClass.POLICY)
    swarm.complete(swarm.take(ada))
    assert the_firing(swarm).trigger_id == fires.trigger.id
    kept = swarm.engine.read(lambda queries: queries.scan(TRIGGERS, task_id, limit=9))
    assert {one.id for one in kept} == {fires.trigger.id, does_not.trigger.id}
    assert {one.created_at for one in kept} == {START}
    assert swarm.engine.read(lambda queries: queries.record(TRIGGER_WORK, fires.trigger.id)) == fires.work


def test_given_tasks_that_end_by_a_cascade_or_at_once_then_triggers_fire_for_them_too(swarm: Driver) -> None:
    made(swarm, events=("failed", "cancelled"))
    first = swarm.file()
    second = swarm.file(after=(first,))
    swarm.cancel(first)
    third = swarm.file(after=(first,))  # ends as it is filed
    assert sorted(one.task_id for one in firings(swarm)) == sorted([first, second, third])


def test_given_a_failure_that_is_tried_again_when_it_happens_then_nothing_fires_before_the_end(swarm: Driver) -> None:
    made(swarm, events=("failed", "completed"))
    ada = swarm.register()
    swarm.file()
    swarm.fail(swarm.take(ada), FailureClass.AGENT)
    assert firings(swarm) == []
    swarm.advance(600)
    swarm.timers()
    swarm.complete(swarm.take(ada))
    assert the_firing(swarm).attempt == 2


def test_given_filters_when_tasks_end_then_those_that_fit_fire(swarm: Driver) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    made(swarm, "by ada", agent_id=ada)
    made(swarm, "labelled", label="x")
    made(swarm, "elsewhere", project_id=new_id())
    spec = TaskSpec(id=new_id(), title="t", prompt="p", labels=("x", "y"))
    swarm.do(ops.CreateTasks(tasks=(NewTask(spec=spec),), actor="operator"))
    swarm.complete(swarm.take(bob))
    by_ada = completed(swarm, ada)
    names = {one.id: one.name for one in swarm.engine.read(lambda queries: queries.scan(TRIGGERS, "", limit=9))}
    assert {(names[one.trigger_id], one.task_id) for one in firings(swarm)} == {
        ("labelled", spec.id),
        ("by ada", by_ada),
    }


def test_given_a_task_in_which_an_agent_answers_messages_when_it_ends_then_nothing_fires(swarm: Driver) -> None:
    class Converse(RecordOperation[None]):
        def carry_out(self, desk: Desk) -> None:
            desk.put(CONVERSATIONS, Conversation(task_id=task_id, agent_id=new_id()))

    made(swarm, events=("cancelled",))
    task_id = swarm.file()
    swarm.do(Converse())
    swarm.cancel(task_id)
    assert firings(swarm) == []


def test_given_a_firing_when_two_servers_settle_it_then_one_task_is_filed_below_the_one_that_ended(
    swarm: Driver,
) -> None:
    trigger = made(swarm)
    task_id = completed(swarm, swarm.register())
    firing = the_firing(swarm)
    first: Settled = swarm.do(filing(swarm, firing))
    second: Settled = swarm.do(filing(swarm, firing))
    assert first.firing is not None
    assert second == Settled()
    assert tasks(swarm) == 2
    child = swarm.task(first.firing.made_id)
    assert (child.spec.parent_id, child.spec.root_id) == (task_id, task_id)
    kept = the_firing(swarm)
    assert (kept.status, kept.tries, kept.settled_at) == (FiringStatus.DONE, 1, START)
    assert looks(swarm) == [(OVER, START + KEPT)]
    led = swarm.engine.read(lambda queries: queries.record(TRIGGERED_TASKS, child.spec.id))
    assert led is not None
    assert (led.depth, led.trigger_id, led.by_task_id) == (1, trigger.id, task_id)
    assert told(swarm) == ["trigger.created", "trigger.fired", "trigger.carriedOut"]


def test_given_a_message_when_its_firing_is_settled_twice_then_it_is_posted_once(swarm: Driver) -> None:
    made(swarm, action=TriggerAction.POST_MESSAGE)
    completed(swarm, swarm.register())
    firing = the_firing(swarm)
    swarm.do(posting(firing))
    swarm.do(posting(firing))
    (message,) = swarm.engine.read(lambda queries: queries.scan(MESSAGES, limit=9))
    assert the_firing(swarm).made_id == message.id


def test_given_a_chain_of_triggers_when_each_files_the_next_then_it_ends_at_the_depth(swarm: Driver) -> None:
    made(swarm)
    ada = swarm.register()
    completed(swarm, ada)
    for _ in range(DEPTH + 5):
        for firing in firings(swarm):
            swarm.do(filing(swarm, firing)) if firing.is_pending else None
        held = swarm.claim(ada)
        if held is None:
            break
        lease = ops.Held(task_id=held.task.state.id, fence=held.task.state.fence)
        swarm.start(lease)
        swarm.complete(lease)
    assert tasks(swarm) == 1 + DEPTH
    refused = [one for one in firings(swarm) if one.status is FiringStatus.REFUSED]
    assert [one.code for one in refused] == ["triggerDepth"]
    assert told(swarm)[-1] == "trigger.refused"


def test_given_a_root_below_which_triggers_have_filed_many_when_one_more_fires_then_it_is_refused(
    swarm: Driver,
) -> None:
    class Fill(RecordOperation[None]):
        def carry_out(self, desk: Desk) -> None:
            root = desk.get(TRIGGERED_ROOTS, first)
            assert root is not None
            desk.put(TRIGGERED_ROOTS, replace(root, made=PER_ROOT))

    trigger = made(swarm)
    ada = swarm.register()
    first = completed(swarm, ada)
    swarm.do(filing(swarm, the_firing(swarm)))
    swarm.do(Fill())
    swarm.complete(swarm.take(ada))
    (pending,) = [one for one in firings(swarm) if one.is_pending]
    swarm.do(filing(swarm, pending))
    assert tasks(swarm) == 2
    (refused,) = [one for one in firings(swarm) if one.status is FiringStatus.REFUSED]
    assert refused.code == "triggerCap"
    assert standing(swarm, trigger).failures == 0  # a bound is no failure


def test_given_a_trigger_that_posts_very_much_when_its_hour_is_full_then_it_is_refused_until_the_next(
    swarm: Driver,
) -> None:
    full: dict[str, Any] = {"hour_began_at": START, "hour_posted": MESSAGES_PER_HOUR}
    made(swarm, action=TriggerAction.POST_MESSAGE, **full)
    ada = swarm.register()
    completed(swarm, ada)
    swarm.do(posting(the_firing(swarm)))
    assert the_firing(swarm).code == "triggerRate"
    swarm.advance(3_600)
    completed(swarm, ada)
    (pending,) = [one for one in firings(swarm) if one.is_pending]
    swarm.do(posting(pending))
    assert len(swarm.engine.read(lambda queries: queries.scan(MESSAGES, limit=9))) == 1


def test_given_what_cannot_be_filed_when_it_is_settled_then_it_is_refused_and_nothing_else_happens(
    swarm: Driver,
) -> None:
    trigger = made(swarm)
    completed(swarm, swarm.register())
    firing = the_firing(swarm)
    spec = TaskSpec(id=new_id(), title="t", prompt="p", project_id=new_id(), root_id=firing.task_id)
    swarm.do(SettleFiring(firing_id=firing.id, tasks=(NewTask(spec=spec),)))
    kept = the_firing(swarm)
    assert (kept.status, kept.code) == (FiringStatus.REFUSED, "unknownReference")
    assert tasks(swarm) == 1
    assert standing(swarm, trigger).failures == 1


def test_given_failures_in_a_row_when_there_are_very_many_then_a_standing_trigger_pauses_itself(
    swarm: Driver,
) -> None:
    trigger = made(swarm, failures=FAILURES_MAX - 1)
    ada = swarm.register()
    completed(swarm, ada)
    problem = Problem(code="unknownReference", message="gone")
    swarm.do(SettleFiring(firing_id=the_firing(swarm).id, problem=problem))
    kept = standing(swarm, trigger)
    assert (kept.status, kept.pause_reason, kept.last_failure) == (TriggerStatus.PAUSED, "failures", "gone")
    completed(swarm, ada)
    assert len(firings(swarm)) == 1
    swarm.do(ResumeTrigger(trigger_id=trigger.id, actor="operator"))
    assert standing(swarm, trigger).failures == 0


def test_given_the_kill_switch_when_a_firing_is_settled_then_it_waits(swarm: Driver) -> None:
    made(swarm)
    completed(swarm, swarm.register())
    firing = the_firing(swarm)
    swarm.kill()
    settled: Settled = swarm.do(filing(swarm, firing))
    assert settled.is_held
    assert the_firing(swarm) == firing
    swarm.do(PutOffFirings(firing_ids=(firing.id,), pause=5 * SECOND))
    assert looks(swarm) == [("here", START + 5 * SECOND)]
    swarm.lift()
    swarm.do(filing(swarm, firing))
    assert the_firing(swarm).status is FiringStatus.DONE


def test_given_a_trigger_that_is_paused_or_removed_when_tasks_end_then_nothing_fires_and_what_fired_is_refused(
    swarm: Driver,
) -> None:
    trigger = made(swarm)
    ada = swarm.register()
    completed(swarm, ada)
    swarm.do(PauseTrigger(trigger_id=trigger.id, actor="operator"))
    swarm.do(PauseTrigger(trigger_id=trigger.id, actor="operator"))
    completed(swarm, ada)
    firing = the_firing(swarm)
    swarm.do(ResumeTrigger(trigger_id=trigger.id, actor="operator"))
    swarm.do(RemoveTrigger(trigger_id=trigger.id, actor="operator"))
    completed(swarm, ada)
    swarm.do(filing(swarm, firing))
    kept = the_firing(swarm)
    assert (kept.status, kept.code) == (FiringStatus.REFUSED, "notFound")
    with pytest.raises(NotFound):
        swarm.do(PauseTrigger(trigger_id=trigger.id, actor="operator"))
    changes = [event for event in told(swarm) if event not in ("trigger.fired", "trigger.refused")]
    assert changes == ["trigger.created", "trigger.paused", "trigger.resumed", "trigger.removed"]


def test_given_a_name_that_is_taken_when_a_trigger_is_added_then_it_is_refused_and_the_same_request_is_not(
    swarm: Driver,
) -> None:
    asked = ops.Idempotency(subject="operator", route="POST /api/triggers", key="k", body_hash="h")
    first = creation()
    once: Trigger = swarm.do(replace(first, idempotency=asked))
    again: Trigger = swarm.do(replace(creation(), idempotency=asked))
    assert again == once
    with pytest.raises(AlreadyExists):
        swarm.do(creation())


@pytest.mark.slow
def test_given_as_many_triggers_as_there_may_be_when_one_more_is_added_then_it_is_refused(swarm: Driver) -> None:
    for number in range(STANDING):
        made(swarm, f"t{number}")
    with pytest.raises(CapReached, match="300 standing triggers"):
        made(swarm, "one more")


def test_given_a_webhook_when_servers_take_it_then_one_has_it_until_its_lease_is_over(swarm: Driver) -> None:
    hook(swarm)
    completed(swarm, swarm.register())
    firing = the_firing(swarm)
    assert looks(swarm) == [(HOOK, START)]
    (taken,) = swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE))
    assert (taken.tries, taken.look_at) == (1, START + LEASE)
    assert swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE)) == []
    swarm.advance(60)
    (again,) = swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE))
    assert again.tries == 2
    late = swarm.do(ReportDelivery(firing_id=firing.id, tries=1, is_taken=False, code="timeout"))
    assert late is None
    kept = swarm.do(ReportDelivery(firing_id=firing.id, tries=2, is_taken=True, answered=204))
    assert (kept.status, kept.answered) == (FiringStatus.DONE, 204)
    assert swarm.do(ReportDelivery(firing_id=firing.id, tries=2, is_taken=True)) is None
    assert told(swarm) == ["trigger.created", "trigger.fired", "trigger.delivered"]


def test_given_the_lanes_then_those_of_what_servers_do_themselves_come_before_those_of_endpoints() -> None:
    assert sorted(["http://a", "https://a", HERE, OVER]) == [OVER, HERE, "http://a", "https://a"]


def test_given_a_webhook_that_is_not_taken_when_it_is_reported_then_it_waits_or_is_given_up(swarm: Driver) -> None:
    trigger = hook(swarm)
    completed(swarm, swarm.register())
    firing = the_firing(swarm)
    swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE))
    failed: dict[str, Any] = {
        "firing_id": firing.id,
        "is_taken": False,
        "code": "refused",
        "message": "it answered HTTP 500",
    }
    swarm.do(ReportDelivery(tries=1, again_at=START + 5 * SECOND, answered=500, **failed))
    assert looks(swarm) == [(HOOK, START + 5 * SECOND)]
    assert standing(swarm, trigger).failures == 1
    swarm.advance(5)
    swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE))
    swarm.do(ReportDelivery(tries=2, again_at=None, **failed))
    kept = the_firing(swarm)
    assert (kept.status, kept.code, kept.tries) == (FiringStatus.FAILED, "refused", 2)
    assert told(swarm) == ["trigger.created", "trigger.fired", "trigger.gaveUp"]


def test_given_a_webhook_that_was_held_when_it_is_tried_then_its_day_begins_then(swarm: Driver) -> None:
    trigger = hook(swarm)
    completed(swarm, swarm.register())
    firing = the_firing(swarm)
    swarm.advance(2 * 86_400)  # the kill switch is on for everything
    (taken,) = swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE))
    assert taken.since == swarm.now
    swarm.advance(30)
    again_at = swarm.now + 5 * SECOND
    held = ReportDelivery(firing_id=firing.id, tries=1, is_taken=False, is_held=True, again_at=again_at, code="killed")
    assert swarm.do(held).since == swarm.now
    assert standing(swarm, trigger).failures == 0
    begun = swarm.now
    swarm.advance(5)
    (again,) = swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE))
    assert (again.tries, again.since) == (2, begun)


def test_given_a_webhook_that_was_given_up_when_it_is_sent_again_then_it_has_its_id_and_a_day(swarm: Driver) -> None:
    hook(swarm)
    completed(swarm, swarm.register())
    firing = the_firing(swarm)
    with pytest.raises(Conflict, match="under way"):
        swarm.do(Redeliver(firing_id=firing.id, actor="operator"))
    swarm.do(TakeFirings(firing_ids=(firing.id,), lease=LEASE))
    swarm.do(ReportDelivery(firing_id=firing.id, tries=1, is_taken=False, code="refused"))
    swarm.advance(3 * 86_400)
    again: Firing = swarm.do(Redeliver(firing_id=firing.id, actor="operator"))
    assert (again.id, again.status, again.since) == (firing.id, FiringStatus.PENDING, swarm.now)
    assert looks(swarm) == [(HOOK, swarm.now)]
    with pytest.raises(NotFound):
        swarm.do(Redeliver(firing_id=new_id(), actor="operator"))


def test_given_a_task_that_a_trigger_filed_when_it_is_to_be_done_again_then_it_is_refused(swarm: Driver) -> None:
    made(swarm)
    completed(swarm, swarm.register())
    swarm.do(filing(swarm, the_firing(swarm)))
    with pytest.raises(Conflict, match="done once"):
        swarm.do(Redeliver(firing_id=the_firing(swarm).id, actor="operator"))


def test_given_settled_firings_when_a_month_is_over_then_they_go_and_pending_ones_stay(swarm: Driver) -> None:
    made(swarm)
    hook(swarm)
    completed(swarm, swarm.register())
    (filed,) = [one for one in firings(swarm) if one.action is TriggerAction.CREATE_TASK]
    swarm.do(filing(swarm, filed))
    ids = tuple(one.id for one in firings(swarm))
    swarm.advance(KEPT // SECOND - 1)
    assert swarm.do(ForgetFirings(firing_ids=ids)) == []
    swarm.advance(1)
    assert [one.id for one in swarm.do(ForgetFirings(firing_ids=ids))] == [filed.id]
    assert the_firing(swarm).action is TriggerAction.WEBHOOK
    assert len(swarm.engine.read(lambda queries: queries.scan(FIRINGS_OF, limit=9))) == 1
    assert looks(swarm) == [(HOOK, START)]


@pytest.mark.slow
def test_given_a_trigger_with_very_many_firings_when_they_are_settled_then_the_latest_are_kept(swarm: Driver) -> None:
    trigger = made(swarm, events=("cancelled",))
    problem = Problem(code="unknownReference", message="gone")
    for _ in range(KEPT_FIRINGS // TRIM_EVERY + 2):
        ids = [swarm.file() for _ in range(TRIM_EVERY)]
        swarm.advance(1)
        for task_id in ids:
            swarm.cancel(task_id)
        swarm.run(*(SettleFiring(firing_id=firing_id(trigger.id, task_id, 0), problem=problem) for task_id in ids))
        swarm.do(ResumeTrigger(trigger_id=trigger.id, actor="operator"))
    assert KEPT_FIRINGS <= len(firings(swarm)) <= KEPT_FIRINGS + TRIM_EVERY
    assert len(looks(swarm)) == len(firings(swarm))
