"""Firings that file a task or post a message are settled: exactly once, with what they make, in one transaction.

The firing's row is locked first; whoever comes second finds it settled. What cannot be done is kept as refused, and
told: the task that ended has long ended, and nobody else waits for it.
"""

from dataclasses import replace

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.kill_switch import NO_AGENT, stopping
from agent_swarm.domain.triggers import (
    CAP_REACHED,
    DEPTH_REACHED,
    FAILURES_MAX,
    MESSAGES_PER_HOUR,
    RATE,
    FiringStatus,
    TriggerStatus,
    too_far,
)
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.tasks import create_tasks
from agent_swarm.store.applying.work import Work
from agent_swarm.store.events import SYSTEM, in_swarm
from agent_swarm.store.families.posting import PostMessage
from agent_swarm.store.families.triggers import (
    FIRINGS,
    STANDING,
    TRIGGERED_ROOTS,
    TRIGGERED_TASKS,
    TRIGGERS,
    Firing,
    Trigger,
    TriggeredRoot,
    TriggeredTask,
    put_firing,
    settled,
    told,
    told_of,
    trim,
)
from agent_swarm.store.operations.base import Desk
from agent_swarm.store.operations.schedules import Problem
from agent_swarm.store.operations.triggers import Settled, SettleFiring

_MESSAGE_CHARS = 500
_BOUNDS = frozenset({DEPTH_REACHED, CAP_REACHED, RATE})  # what is refused by these is no fault of a trigger


def settle_firing(work: Work, op: SettleFiring) -> Settled:
    """Do what a firing says, where nobody else has, or keep why that cannot be."""
    firing = work.get(FIRINGS, op.firing_id)
    if firing is None or not firing.is_pending:
        return Settled()
    swarms = {op.swarm_id, *(new.spec.swarm_id for new in op.tasks)}
    if stopping(work.rows.killed(), NO_AGENT, *swarms) is not None:
        return Settled(firing=firing, is_held=True)
    trigger = work.get(TRIGGERS, firing.scope, firing.trigger_id)
    problem, made = op.problem or _gone(trigger), ""
    if problem is None and trigger is not None:
        problem = _bound(work, op, firing, trigger)
    if problem is None and trigger is not None:
        try:
            if op.post is not None:
                trigger, made = _post(work, op.post, trigger)
            else:
                made = _file(work, op, firing)
        except SwarmError as refused:
            problem = Problem(code=refused.code, message=refused.message)
    after = _settled(firing, problem, made, work.now)
    put_firing(work, after, before=firing)
    if problem is None:
        draft = told_of("trigger.carriedOut", after, actor=SYSTEM, made=made)
    else:
        draft = told_of("trigger.refused", after, actor=SYSTEM, code=problem.code, message=after.message)
    work.say(in_swarm(draft, op.swarm_id))
    if trigger is not None:
        is_bound = problem is not None and problem.code in _BOUNDS
        note_outcome(work, trigger, failure=None if is_bound else after.message)
    return Settled(firing=after)


def note_outcome(desk: Desk, trigger: Trigger, *, failure: str | None, is_settled: bool = True) -> None:
    """Count what became of a try of a standing trigger; after very many failures in a row it pauses itself.

    `failure` is empty after a success, and None where neither is to be counted.
    """
    if trigger.scope != STANDING:
        return
    trigger = replace(trigger, settled=trigger.settled + is_settled)
    if failure is not None:
        failures = trigger.failures + 1 if failure else 0
        trigger = replace(trigger, failures=failures, last_failure=failure[:_MESSAGE_CHARS])
    if trigger.failures >= FAILURES_MAX and trigger.status is TriggerStatus.ACTIVE:
        trigger = replace(trigger, status=TriggerStatus.PAUSED, pause_reason="failures")
        desk.say(
            told(
                "trigger.paused",
                trigger,
                actor=SYSTEM,
                reason="failures",
                failures=trigger.failures,
                message=trigger.last_failure,
            )
        )
    desk.put(TRIGGERS, trigger)
    if is_settled:
        trim(desk, trigger)


def _bound(work: Work, op: SettleFiring, firing: Firing, trigger: Trigger) -> Problem | None:
    """Why this is further than triggers may go; None where it is not."""
    if op.post is not None:
        if trigger.scope != STANDING or trigger.hour.one_more(work.now) is not None:
            return None
        return Problem(code=RATE, message=f"the trigger has posted {MESSAGES_PER_HOUR} messages within an hour")
    led, root = work.get(TRIGGERED_TASKS, firing.task_id), work.get(TRIGGERED_ROOTS, op.tasks[0].spec.root_id)
    bound = too_far(depth=led.depth if led else 0, made_below_root=root.made if root else 0)
    return None if bound is None else Problem(code=bound[0], message=bound[1])


def _post(work: Work, post: PostMessage, trigger: Trigger) -> tuple[Trigger, str]:
    """The trigger as it then is, and the message's id. Raises a SwarmError before anything is written."""
    hour = trigger.hour.one_more(work.now) or trigger.hour
    message = post.carry_out(work).message
    return replace(trigger, hour_began_at=hour.began_at, hour_posted=hour.posted), message.id


def _file(work: Work, op: SettleFiring, firing: Firing) -> str:
    """The task's id. Raises a SwarmError before anything is written."""
    (new,) = op.tasks
    create = ops.CreateTasks(tasks=op.tasks, actor=new.spec.created_by, capped=op.capped)
    (task_id,) = create_tasks(work, create).task_ids
    led = work.get(TRIGGERED_TASKS, firing.task_id)
    root = work.get(TRIGGERED_ROOTS, new.spec.root_id) or TriggeredRoot(root_id=new.spec.root_id, made=0)
    work.put(TRIGGERED_ROOTS, replace(root, made=root.made + 1))
    depth = 1 if led is None else led.depth + 1
    work.add(
        TRIGGERED_TASKS,
        [TriggeredTask(task_id=task_id, depth=depth, trigger_id=firing.trigger_id, by_task_id=firing.task_id)],
    )
    return task_id


def _settled(firing: Firing, problem: Problem | None, made: str, now: int) -> Firing:
    tries = firing.tries + 1
    if problem is None:
        return settled(firing, FiringStatus.DONE, now=now, tries=tries, made_id=made)
    message = problem.message[:_MESSAGE_CHARS]
    return settled(firing, FiringStatus.REFUSED, now=now, tries=tries, code=problem.code, message=message)


def _gone(trigger: Trigger | None) -> Problem | None:
    return Problem(code="notFound", message="the trigger has been removed") if trigger is None else None
