"""Approvals are asked, answered and settled; the tasks that pause for them go on (rule T6).

The task is locked before its approvals, everywhere, and each approval is settled once: by the first answer, by its
expiry, or by the end of its task.
"""

from dataclasses import replace
from typing import Any

from agent_swarm.domain.approvals import OPEN_PER_TASK, PER_TASK, ApprovalStatus, require_answers
from agent_swarm.domain.commands import RequestPause, Resume
from agent_swarm.domain.errors import Conflict, IdempotencyMismatch, NotFound
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import to_wire
from agent_swarm.domain.transitions import require_lease
from agent_swarm.store import asking
from agent_swarm.store.applying import budgets
from agent_swarm.store.applying.work import Work
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families import approvals
from agent_swarm.store.families.approvals import APPROVALS, Approval
from agent_swarm.store.operations import ApprovalOperation
from agent_swarm.store.rows import Entry


def carry_out(work: Work, op: ApprovalOperation[Any]) -> Any:
    """Do what the operation says; its tasks were fetched."""
    match op:
        case asking.AskApproval():
            return ask(work, op)
        case asking.AnswerApproval():
            return answer(work, op)
        case asking.SettleApprovals():
            return settle(work, op)
    raise TypeError(f"nobody knows how to carry out a {type(op).__name__}")


def ask(work: Work, op: asking.AskApproval) -> Approval:
    """Keep what an attempt asks; the same asked again is the one that is there, by whichever attempt."""
    entry = work.must(op.approval.task_id)
    state = entry.state
    require_lease(state, op.fence, "ask")
    found = work.get(APPROVALS, op.approval.id)
    if found is not None and found.asked_digest != op.approval.asked_digest:
        raise IdempotencyMismatch(
            "this Idempotency-Key was used with another question",
            hint="send the first question again, or use a new key",
            details={"approvalId": found.id},
        )
    asked = found or _ask_anew(work, op, entry)
    if asked.is_open and asked.pauses:
        work.decide(RequestPause(task_id=asked.task_id, reason=PauseReason.APPROVAL), actor=op.actor)
    return asked


def _ask_anew(work: Work, op: asking.AskApproval, entry: Entry) -> Approval:
    others = approvals.of_task_in_batch(work, op.approval.task_id)
    still_open = sum(1 for other in others if other.is_open)
    if still_open >= OPEN_PER_TASK or len(others) >= PER_TASK:
        raise Conflict(
            f"the task has asked {len(others)} times and waits for {still_open} answers, at most {PER_TASK} and "
            f"{OPEN_PER_TASK} are taken",
            hint="ask several questions at once, or wait for answers",
        )
    asked = replace(
        op.approval, attempt=entry.state.attempt, asked_at=work.now, expires_at=work.now + op.lasts, settled_at=None
    )
    approvals.put(work, asked)
    data = {"expiresAt": to_wire(asked.expires_at), "questions": len(asked.questions), "pauses": asked.pauses}
    work.tell(entry, approvals.told("approval.asked", asked, actor=op.actor, data=data))
    return asked


def answer(work: Work, op: asking.AnswerApproval) -> Approval:
    """Take the first answer of a person; the task goes on where it waited for nothing else."""
    found = work.get(APPROVALS, op.approval_id)
    if found is None:
        raise NotFound(f"no approval has the id {op.approval_id!r}", hint="see: agent-swarm approval list")
    if not found.is_open:
        raise _too_late(found)
    if found.expires_at <= work.now:
        raise _too_late(replace(found, status=ApprovalStatus.EXPIRED, settled_at=found.expires_at, settled_by=SYSTEM))
    if work.must(found.task_id).state.is_terminal:
        raise _too_late(replace(found, status=ApprovalStatus.CLOSED, settled_at=work.now, settled_by=SYSTEM))
    if not op.denies:
        require_answers(found.asked, op.answers)
    status = ApprovalStatus.DENIED if op.denies else ApprovalStatus.ANSWERED
    settled = replace(found, status=status, answers={} if op.denies else dict(op.answers), comment=op.comment)
    return _settle(work, found, settled, actor=op.actor, event="approval.answered")


def settle(work: Work, op: asking.SettleApprovals) -> int:
    """Settle those of `asked` that have run out, or whose task has ended; answers how many."""
    settled = 0
    for approval_id, task_id in op.asked:
        found = work.get(APPROVALS, approval_id)
        entry = work.rows.entry(task_id)
        if found is None or not found.is_open or entry is None:
            continue
        if entry.state.is_terminal:
            closed = replace(found, status=ApprovalStatus.CLOSED)
            _settle(work, found, closed, actor=SYSTEM, event="approval.closed")
        elif found.expires_at <= work.now:
            expired = replace(found, status=ApprovalStatus.EXPIRED)
            _settle(work, found, expired, actor=SYSTEM, event="approval.expired")
        else:
            continue
        settled += 1
    return settled


def _settle(work: Work, before: Approval, after: Approval, *, actor: str, event: str) -> Approval:
    after = replace(after, settled_at=work.now, settled_by=actor)
    approvals.put(work, after, before=before)
    entry = work.must(after.task_id)
    state = entry.state
    work.tell(entry, approvals.told(event, after, actor=actor, data={"status": after.status.value}))
    if after.budget_id and event in ("approval.answered", "approval.expired"):
        budgets.answered(work, after)
    waits = (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.APPROVAL)
    if waits and not approvals.keeps_waiting(approvals.of_task_in_batch(work, after.task_id)):
        work.decide(Resume(task_id=after.task_id), actor=actor)
    return after


def _too_late(found: Approval) -> Conflict:
    at = to_wire(found.settled_at or 0)
    by = f" by {found.settled_by}" if found.settled_by and found.settled_by != SYSTEM else ""
    return Conflict(
        f"approval {found.id!r} is {found.status.value}{by} since {at}: the first answer counts",
        hint="see what it is: agent-swarm approval show",
        details={"status": found.status.value, "settledBy": found.settled_by, "settledAt": at},
    )
