"""What each command does to a task: one pure function per rule.

`decide` takes the task as it is and a command, and returns the task as it will be, or says that the command repeats one
that was already carried out; it raises where the command is refused. The store applies what it returns with a statement
that names the fence and status decided on, so that a decision made on an old row changes nothing.
"""

from dataclasses import replace

from agent_swarm.domain import deadlines, offers
from agent_swarm.domain.backoff import AGENT_FAILURE, GIVEN_BACK, INFRASTRUCTURE_LOSS, PROVIDER_LIMIT
from agent_swarm.domain.changes import Change, Repeat, is_due, queued
from agent_swarm.domain.commands import (
    Cancel,
    Command,
    Complete,
    ConfirmKill,
    Fail,
    Fence,
    Fenced,
    Kill,
    Pause,
    Promote,
    Release,
    RequestPause,
    Resume,
    Shelve,
    Start,
    Tick,
    Unfund,
)
from agent_swarm.domain.errors import IllegalTransition, ResultConflict, StaleLease
from agent_swarm.domain.tasks import (
    AttemptOutcome,
    FailureClass,
    PauseReason,
    TaskState,
    TaskStatus,
    Verb,
    after,
    verbs_of,
)
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.domain.values import changed

_WAITING = frozenset({TaskStatus.BLOCKED, TaskStatus.BACKLOG})  # where a task stands that waits for others

RESUME_PIN = 600 * SECOND  # how long a task paused by a shutdown waits for its own agent


def decide(task: TaskState, command: Command, *, now: int) -> Change | Repeat:
    """What `command` does to `task` at `now`; raises StaleLease, ResultConflict or IllegalTransition."""
    match command:
        case Start() | Complete() | Fail() | Pause() | Release():
            return _fenced(task, command, now)
        case Fence():
            return _lose(task, now, command.jitter, "superseded") if task.is_held else Repeat(task)
        case Tick():
            return tick(task, now=now, jitter=command.jitter)
        case Cancel() | Unfund():
            return _cancel(task) if isinstance(command, Cancel) else _unfund(task)
        case Kill():
            return _kill(task, now)
        case ConfirmKill():
            return _confirm_kill(task, command.agent_id)
        case RequestPause():
            if command.fence is not None:
                require_lease(task, command.fence, "pause")
            return _request_pause(task) if command.reason is PauseReason.PERSON else _pause_itself(task, command.reason)
        case Resume():
            return _resume(task, command.agent_id, now)
        case Shelve():
            target = after(task.id, task.status, Verb.SHELVE)
            return Change(changed(task, status=target, ready=False), Verb.SHELVE, "task.shelved")
        case Promote():
            return _promote(task, now)
        case offers.Offer() | offers.Accept() | offers.Reject():
            return offers.decide(task, command, now)


def tick(task: TaskState, *, now: int, jitter: float = 0.0) -> Change | Repeat:
    """Carry out the timer of `task` that is due at `now`; Repeat where none is."""
    if task.timer_at is None or task.timer_at > now:
        return Repeat(task)
    if task.is_held:
        lapsed = task.lease_expires_at is not None and task.lease_expires_at <= now
        return _lose(task, now, jitter, "leaseExpired") if lapsed else _time_out(task, now, jitter)
    if task.status is TaskStatus.PAUSED:
        return _resume(changed(task, pinned_agent=None, pinned_until=None), None, now)
    if task.status is TaskStatus.OFFERED:
        return offers.expire(task, now)
    pin_over = task.pinned_until is not None and task.pinned_until <= now
    woken = changed(
        task,
        ready=is_due(task, now),
        pinned_agent=None if pin_over else task.pinned_agent,
        pinned_until=None if pin_over else task.pinned_until,
    )
    return Change(woken, None, "task.ready" if woken.ready else "task.unpinned")


def unblock(task: TaskState, met: int, *, now: int) -> Change:
    """`met` more dependency edges of `task` are met; the last one lets a blocked task into the queue.

    The change has no event where the task goes on waiting.
    """
    task = changed(task, unmet=max(0, task.unmet - met))
    if task.unmet or task.status is not TaskStatus.BLOCKED:
        return Change(task, None, "")
    return Change(queued(task, now), Verb.UNBLOCK, "task.unblocked")


def fail_by_dependency(task: TaskState, upstream: str) -> Change | None:
    """An upstream task ended without success and the edge says `fail`; None where the task no longer waits."""
    if not _waits(task):
        return None
    failed = changed(task, status=after(task.id, task.status, Verb.FAIL))
    return Change(failed, Verb.FAIL, "task.failed", detail={"reason": "dependencyFailed", "upstream": upstream})


def skip_by_dependency(task: TaskState, upstream: str) -> Change | None:
    """An upstream task ended without success and the edge says `skip`; None where the task no longer waits."""
    if not _waits(task):
        return None
    skipped = changed(task, status=after(task.id, task.status, Verb.CANCEL), fence=task.fence + 1)
    return Change(skipped, Verb.CANCEL, "task.cancelled", detail={"reason": "dependencySkipped", "upstream": upstream})


def require_lease(task: TaskState, fence: int, what: str) -> None:
    """Rule T3 for writes that change no status: raises unless `fence` is the current one of a running attempt."""
    if fence != task.fence:
        raise StaleLease(task.id, presented=fence, current=task.fence)
    if not task.is_held:
        raise IllegalTransition(task.id, status=task.status, command=what, allowed=verbs_of(task.status))


def claim(task: TaskState, *, agent_id: str, instance_id: str, lease: int, now: int) -> Change:
    """Rule T2: the next attempt, under the next fencing token, leased until `now + lease` (microseconds)."""
    held = changed(
        task,
        status=after(task.id, task.status, Verb.CLAIM),
        attempt=task.attempt + 1,
        fence=task.fence + 1,
        ready=False,
        agent_id=agent_id,
        instance_id=instance_id,
        lease_expires_at=now + lease,
        not_before=None,
        preferred_agent=None,
        pinned_agent=None,
        pinned_until=None,
    )
    return Change(held, Verb.CLAIM, "task.claimed")


def _fenced(task: TaskState, command: Fenced, now: int) -> Change | Repeat:
    """Rule T3: only the holder of the current fence writes; the same again is a no-op."""
    if _is_repeat(task, command):
        return Repeat(task)
    if command.fence != task.fence:
        raise StaleLease(task.id, presented=command.fence, current=task.fence)
    match command:
        case Start():
            status = after(task.id, task.status, Verb.START)
            running = changed(task, status=status, overdue_at=deadlines.overdue_at(task, now))
            return Change(running, Verb.START, "task.started")
        case Complete():
            if task.status is TaskStatus.COMPLETED:
                raise ResultConflict(
                    f"task {task.id!r} already has another result",
                    hint="the first accepted result stands; retry the task for a new one",
                    details={"taskId": task.id, "fence": task.fence},
                )
            status = after(task.id, task.status, Verb.COMPLETE)
            done = _ended(task, AttemptOutcome.COMPLETED, command.digest, status=status)
            return Change(done, Verb.COMPLETE, "task.completed", AttemptOutcome.COMPLETED)
        case Fail():
            return _fail(task, command, now)
        case Pause():
            after(task.id, task.status, Verb.PAUSE)
            reason = task.pause_wanted or command.reason  # what a person asked for meanwhile wins over a shutdown
            ended = changed(_ended(task, AttemptOutcome.PAUSED, ""), time_used=deadlines.used(task, now))
            paused = _pause(ended, reason, task.agent_id, now)
            detail = {"reason": reason.value}
            return Change(paused, Verb.PAUSE, "task.paused", AttemptOutcome.PAUSED, detail)
        case Release():
            after(task.id, task.status, Verb.REQUEUE)
            free = queued(changed(_ended(task, AttemptOutcome.RELEASED, ""), time_used=task.time_used), now)
            return Change(free, Verb.REQUEUE, "task.requeued", AttemptOutcome.RELEASED, {"reason": "released"})


def _is_repeat(task: TaskState, command: Fenced) -> bool:
    match command:
        case Start():
            return task.status is TaskStatus.RUNNING and task.fence == command.fence
        case Complete():
            ended = (AttemptOutcome.COMPLETED, command.digest)
        case Fail():
            ended = (AttemptOutcome.FAILED, command.digest)
        case Pause():
            ended = (AttemptOutcome.PAUSED, "")
        case Release():
            ended = (AttemptOutcome.RELEASED, "")
    return task.ended_fence == command.fence and (task.ended_as, task.ended_digest) == ended


def _fail(task: TaskState, command: Fail, now: int) -> Change:
    """Rule T4: `maxAttempts` counts agent failures, `maxLosses` infrastructure losses, policy is final at once."""
    if not task.is_held:  # what waits may fail by its dependencies, but not by the worker that had it before
        raise IllegalTransition(task.id, status=task.status, command=Verb.FAIL, allowed=verbs_of(task.status))
    status = after(task.id, task.status, Verb.FAIL)
    ended = _ended(task, AttemptOutcome.FAILED, command.digest)
    if command.is_limit:
        return _put_off(ended, command, now)
    detail = {"failureClass": command.failure.value}
    if command.failure is FailureClass.AGENT:
        ended = changed(ended, failures=task.failures + 1)
        again = ended.failures < task.max_attempts
        delay = AGENT_FAILURE.delay(ended.failures, command.jitter)
    else:
        counted = command.failure is FailureClass.INFRASTRUCTURE
        ended = changed(ended, losses=task.losses + counted)
        again = counted and ended.losses < task.max_losses
        delay = INFRASTRUCTURE_LOSS.delay(ended.losses, command.jitter) if again else 0
    if not again:
        return Change(changed(ended, status=status), Verb.FAIL, "task.failed", AttemptOutcome.FAILED, detail)
    retry_at = now + max(delay, command.retry_after)
    again_later = queued(changed(ended, not_before=retry_at), now)
    told = {**detail, "reason": "failed", "retryAt": to_wire(retry_at)}
    return Change(again_later, Verb.REQUEUE, "task.requeued", AttemptOutcome.FAILED, told)


def _put_off(ended: TaskState, command: Fail, now: int) -> Change:
    """Nothing is counted, however often it happens; without word of when the limit ends the pauses grow."""
    tries = max(1, ended.attempt - ended.failures - ended.losses)
    retry_at = now + max(PROVIDER_LIMIT.delay(tries, (1 + command.jitter) / 2), command.retry_after)
    again = queued(changed(ended, not_before=retry_at), now)
    told = {"failureClass": command.failure.value, "reason": "providerLimit", "retryAt": to_wire(retry_at)}
    return Change(again, Verb.REQUEUE, "task.requeued", AttemptOutcome.FAILED, told)


def _time_out(task: TaskState, now: int, jitter: float) -> Change:
    """A run took longer than it may, and its worker has not ended it: it fails, and nothing it still sends counts."""
    told = Fail(task_id=task.id, fence=task.fence, failure=FailureClass.AGENT, digest="", jitter=jitter)
    failed = _fail(task, told, now)
    return replace(failed, state=changed(failed.state, fence=task.fence + 1))


def _lose(task: TaskState, now: int, jitter: float, reason: str) -> Change:
    """Rule T4: the fence is bumped at once, so that nothing the old holder still sends can count."""
    lost = _ended(changed(task, losses=task.losses + 1), AttemptOutcome.LOST, "", fence=task.fence + 1)
    if task.pause_wanted is not None:
        paused = _pause(lost, task.pause_wanted, task.agent_id, now)
        detail = {"reason": task.pause_wanted.value, "lost": reason}
        return Change(paused, Verb.PAUSE, "task.paused", AttemptOutcome.LOST, detail)
    if lost.losses >= task.max_losses:
        failed = changed(lost, status=after(task.id, task.status, Verb.FAIL))
        return Change(failed, Verb.FAIL, "task.failed", AttemptOutcome.LOST, {"reason": "lossesUsedUp", "lost": reason})
    # The first loss is tried again at once: most are a restart, and the old agent is the best one to go on.
    delay = 0 if lost.losses == 1 else INFRASTRUCTURE_LOSS.delay(lost.losses - 1, jitter)
    again = queued(changed(lost, preferred_agent=task.agent_id, not_before=now + delay), now)
    return Change(again, Verb.REQUEUE, "task.requeued", AttemptOutcome.LOST, {"reason": reason})


def _cancel(task: TaskState) -> Change | Repeat:
    if task.status is TaskStatus.CANCELLED:
        return Repeat(task)
    status = after(task.id, task.status, Verb.CANCEL)
    outcome = AttemptOutcome.CANCELLED if task.is_held else None
    cancelled = changed(_ended(task, outcome, "") if outcome else task, status=status, fence=task.fence + 1)
    detail = {"agentId": task.agent_id, "endedFence": task.fence} if outcome else {}
    return Change(changed(cancelled, ready=False, pause_wanted=None), Verb.CANCEL, "task.cancelled", outcome, detail)


def _kill(task: TaskState, now: int) -> Change | Repeat:
    """Rule T6: the fence is bumped at once, and the task waits for a person, whatever was asked of it before.

    Its worker may not hear of it. So that two never act for one task, nobody else gets it while that one may believe
    that it holds the lease, however soon it is resumed (rule T7).
    """
    if not task.is_held:
        return Repeat(task)
    status = after(task.id, task.status, Verb.KILL)
    ended = _ended(task, AttemptOutcome.KILLED, "", status=status, fence=task.fence + 1)
    killed = changed(
        ended,
        pause_reason=PauseReason.KILL,
        preferred_agent=task.agent_id,
        not_before=task.lease_expires_at,
        time_used=deadlines.used(task, now),
    )
    detail = {"agentId": task.agent_id, "endedFence": task.fence}
    return Change(killed, Verb.KILL, "task.killed", AttemptOutcome.KILLED, detail)


def _confirm_kill(task: TaskState, agent_id: str) -> Change | Repeat:
    waits = task.status in (TaskStatus.PAUSED, TaskStatus.PENDING) and task.not_before is not None
    if not waits or task.ended_as is not AttemptOutcome.KILLED or task.preferred_agent != agent_id:
        return Repeat(task)
    is_queued = task.status is TaskStatus.PENDING
    return Change(changed(task, not_before=None, ready=is_queued), None, "task.ready" if is_queued else "")


def _request_pause(task: TaskState) -> Change | Repeat:
    if task.pause_wanted is PauseReason.PERSON or (
        task.status is TaskStatus.PAUSED and task.pause_reason is PauseReason.PERSON
    ):
        return Repeat(task)
    if task.status is TaskStatus.PAUSED:  # a shutdown's pause becomes a person's: it no longer resumes by itself
        held_back = changed(task, pause_reason=PauseReason.PERSON, pinned_agent=None, pinned_until=None)
        return Change(held_back, None, "task.paused", detail={"reason": PauseReason.PERSON.value})
    if not task.is_held:
        raise IllegalTransition(task.id, status=task.status, command=Verb.PAUSE, allowed=verbs_of(task.status))
    wanted = changed(task, pause_wanted=PauseReason.PERSON)
    return Change(wanted, None, "task.pauseRequested", detail={"agentId": task.agent_id, "fence": task.fence})


def _pause_itself(task: TaskState, reason: PauseReason) -> Change | Repeat:
    """Rule T6: the run asked people, waits for other tasks, or goes to others. What a person has asked for stays."""
    if task.pause_wanted is not None:
        return Repeat(task)
    if not task.is_held:
        raise IllegalTransition(task.id, status=task.status, command=Verb.PAUSE, allowed=verbs_of(task.status))
    detail = {"agentId": task.agent_id, "fence": task.fence, "reason": reason.value}
    wanted = changed(task, pause_wanted=reason)
    return Change(wanted, None, "task.pauseRequested", detail=detail)


def _resume(task: TaskState, agent_id: str | None, now: int) -> Change | Repeat:
    """Rule T6. A registering agent resumes only what a shutdown of its own paused."""
    if agent_id is not None and not (
        task.status is TaskStatus.PAUSED and task.pause_reason is PauseReason.SHUTDOWN and task.pinned_agent == agent_id
    ):
        return Repeat(task)
    after(task.id, task.status, Verb.RESUME)
    if agent_id is None:
        task = changed(task, pinned_agent=None, pinned_until=None)
    return Change(queued(changed(task, pause_reason=None), now), Verb.RESUME, "task.resumed")


def _unfund(task: TaskState) -> Change | Repeat:
    if (task.status, task.pause_reason) != (TaskStatus.PAUSED, PauseReason.BUDGET):
        return Repeat(task)
    failed = changed(task, status=after(task.id, task.status, Verb.FAIL), pause_reason=None)
    return Change(failed, Verb.FAIL, "task.failed", detail={"reason": "budget"})


def _promote(task: TaskState, now: int) -> Change:
    if task.unmet:
        blocked = changed(task, status=after(task.id, task.status, Verb.BLOCK))
        return Change(blocked, Verb.BLOCK, "task.promoted")
    after(task.id, task.status, Verb.PROMOTE)
    return Change(queued(task, now), Verb.PROMOTE, "task.promoted")


def _pause(ended: TaskState, reason: PauseReason, agent: str | None, now: int) -> TaskState:
    """Rule T6: what a shutdown paused waits for its own agent until the pin is over.

    What is given back waits, longer with every attempt: agents that all give it back do not go round in circles.
    """
    pinned, is_given_back = reason is PauseReason.SHUTDOWN, reason is PauseReason.RELEASE
    return changed(
        ended,
        status=TaskStatus.PAUSED,
        pause_reason=reason,
        preferred_agent=None if is_given_back else agent,
        not_before=now + GIVEN_BACK.bound(ended.attempt) if is_given_back else ended.not_before,
        pinned_agent=agent if pinned else None,
        pinned_until=now + RESUME_PIN if pinned else None,
    )


def _ended(
    task: TaskState,
    outcome: AttemptOutcome,
    digest: str,
    *,
    status: TaskStatus | None = None,
    fence: int | None = None,
) -> TaskState:
    """`task` without a holder, remembering how the attempt of its current fence ended."""
    return changed(
        task,
        status=status or task.status,
        fence=task.fence if fence is None else fence,
        ended_fence=task.fence,
        ended_as=outcome,
        ended_digest=digest,
        agent_id=None,
        instance_id=None,
        lease_expires_at=None,
        pause_wanted=None,
        ready=False,
        time_used=0,
        overdue_at=None,
    )


def _waits(task: TaskState) -> bool:
    return task.unmet > 0 and task.status in _WAITING
