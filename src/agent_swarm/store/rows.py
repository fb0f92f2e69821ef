"""How rows come about and change, the same in every store."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent_swarm.domain.commands import Change
from agent_swarm.domain.dependencies import Consequence, consequence
from agent_swarm.domain.tasks import (
    AttemptOutcome,
    FailureClass,
    TaskState,
    TaskStatus,
    Verb,
)
from agent_swarm.store.events import Draft, of_task
from agent_swarm.store.operations import ClaimTask, NewTask
from agent_swarm.store.records import AttemptRecord, AttemptReport, TaskRecord

_SPREAD = 0.618_033_988_749_895  # the golden ratio's fraction: successive draws fall far apart

_FAILURE_TEXT = {
    "dependencyFailed": "a task it depends on did not succeed",
    "lossesUsedUp": "its worker was lost too many times",
}


def new_state(
    new: NewTask, upstream: Mapping[str, TaskStatus], *, actor: str, now: int
) -> tuple[TaskState, list[Draft]]:
    """The first state of a task, given the statuses of its upstreams, and the events of its creation."""
    told = [(edge.upstream_id, consequence(edge.on_failure, upstream[edge.upstream_id])) for edge in new.edges]
    unmet = sum(1 for _, what in told if what is not Consequence.MET)
    due = new.not_before is None or new.not_before <= now
    status = TaskStatus.BACKLOG if new.backlog else TaskStatus.BLOCKED if unmet else TaskStatus.PENDING
    extra: tuple[str, dict[str, Any]] | None = None
    for wanted, ended, event, reason in (
        (Consequence.FAIL, TaskStatus.FAILED, "task.failed", "dependencyFailed"),
        (Consequence.SKIP, TaskStatus.CANCELLED, "task.cancelled", "dependencySkipped"),
    ):
        culprit = min((upstream_id for upstream_id, what in told if what is wanted), default=None)
        if culprit is not None:
            status, extra = ended, (event, {"reason": reason, "upstream": culprit})
            break
    state = TaskState(
        id=new.spec.id,
        status=status,
        max_attempts=new.max_attempts,
        max_losses=new.max_losses,
        unmet=unmet,
        ready=status is TaskStatus.PENDING and due,
        not_before=new.not_before,
    )
    data: dict[str, Any] = {"title": new.spec.title, "status": status.value, "priority": new.spec.priority}
    if new.spec.parent_id:
        data["parentTaskId"] = new.spec.parent_id
    if new.spec.retry_of:
        data["retryOf"] = new.spec.retry_of
    created = [of_task("task.created", state, actor=actor, data=data)]
    if extra is not None:
        created.append(of_task(extra[0], state, actor="system", data=extra[1]))
    return state, created


def task_after(
    record: TaskRecord, before: TaskState, change: Change, *, report: AttemptReport, now: int
) -> TaskRecord:
    """`record` after `change`: times, result, failure. The state itself is set by the caller too."""
    state = change.state
    updated = replace(record, state=state, updated_at=now)
    if change.verb is Verb.START:
        updated = replace(updated, started_at=record.started_at or now)
    if state.is_terminal and not before.is_terminal:
        updated = replace(updated, finished_at=now)
    if change.verb is Verb.COMPLETE:
        return replace(updated, result=result_of(report), failure=None)
    failure = failure_of(before, change, report)
    return updated if failure is None else replace(updated, failure=failure)


def result_of(report: AttemptReport) -> dict[str, Any]:
    """What the task keeps of a good ending."""
    data = dict(report.data) if report.data is not None else None
    return {"text": report.text, "data": data, "branch": report.branch, "commit": report.commit}


def failure_of(before: TaskState, change: Change, report: AttemptReport) -> dict[str, Any] | None:
    """What the task keeps of a bad ending; None where `change` is not one."""
    if change.outcome is AttemptOutcome.FAILED:
        told = (report.failure_class, report.failure_code, report.text)
    elif change.outcome is AttemptOutcome.LOST:
        lost = str(change.detail.get("lost") or change.detail.get("reason"))
        told = (FailureClass.INFRASTRUCTURE.value, lost, "the worker that held it was lost")
    elif change.verb is Verb.FAIL:
        reason = str(change.detail.get("reason", ""))
        told = (FailureClass.POLICY.value, reason, _FAILURE_TEXT.get(reason, reason))
    else:
        return None
    failure = {"class": told[0], "code": told[1], "message": told[2], "attempt": before.attempt}
    return {**failure, "upstream": change.detail["upstream"]} if "upstream" in change.detail else failure


def attempt_after(
    attempt: AttemptRecord, change: Change, *, report: AttemptReport, now: int
) -> AttemptRecord:
    """The current attempt after a change to its task; empty values of `report` leave what was told before."""
    if change.verb is Verb.START:
        attempt = replace(attempt, started_at=now)
    elif change.outcome is not None and attempt.ended_at is None:
        attempt = replace(attempt, ended_at=now, outcome=change.outcome)
    elif change.outcome is None:
        return attempt
    return replace(attempt, report=merged(attempt.report, report))


def merged(told_before: AttemptReport, told_now: AttemptReport) -> AttemptReport:
    """Both reports, the later one first."""
    return AttemptReport(
        session=told_now.session or told_before.session,
        branch=told_now.branch or told_before.branch,
        commit=told_now.commit or told_before.commit,
        snapshot=told_now.snapshot or told_before.snapshot,
        text=told_now.text or told_before.text,
        data=told_now.data if told_now.data is not None else told_before.data,
        failure_class=told_now.failure_class or told_before.failure_class,
        failure_code=told_now.failure_code or told_before.failure_code,
    )


def new_attempt(op: ClaimTask, state: TaskState, *, now: int) -> AttemptRecord:
    """The attempt that a claim opens."""
    return AttemptRecord(
        task_id=state.id,
        number=state.attempt,
        fence=state.fence,
        claim_id=op.claim_id,
        agent_id=op.agent_id,
        instance_id=op.instance_id,
        claimed_at=now,
    )


def spread(jitter: float, index: int) -> float:
    """The draw of the `index`-th of several tasks that share one `jitter`, so that they do not return together."""
    return (jitter + index * _SPREAD) % 1.0
