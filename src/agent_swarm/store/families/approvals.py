"""Approvals as they are kept, and where: in the list of their status, and with their task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agent_swarm.domain.approvals import PER_TASK, ApprovalStatus, Question, account
from agent_swarm.store.events import Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What an attempt asks people. `answers` are by the id of their question."""

    id: str
    task_id: str
    attempt: int
    agent_id: str
    title: str
    details: str
    questions: tuple[Mapping[str, Any], ...]
    pauses: bool
    asked_digest: str
    status: ApprovalStatus
    asked_at: int
    expires_at: int
    settled_at: int | None = None
    settled_by: str = ""
    answers: Mapping[str, Any]
    comment: str = ""
    budget_id: str = ""  # of a question about a budget that is used up, which no agent asked

    @property
    def asked(self) -> tuple[Question, ...]:
        """Its questions."""
        return tuple(map(Question.from_stored, self.questions))

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.status is ApprovalStatus.OPEN

    @property
    def account(self) -> str:
        """What became of it, for the agent that asked."""
        return account(self.title, self.status, self.asked, self.answers, self.comment)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPlace:
    """Where an approval stands in the list of its status: open ones by their expiry, others the latest first."""

    status: ApprovalStatus
    rank: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalOfTask:
    """That a task has asked."""

    task_id: str
    id: str


class Reader(Protocol):
    """What finds approvals: the reads of a store."""

    def record(self, family: Family[Any], *key: Any) -> Any: ...
    def scan(self, family: Family[Any], *prefix: Any, after: tuple[Any, ...] | None = None, limit: int) -> Any: ...


APPROVALS = Family("approval", Approval, key=("id",))
APPROVAL_PLACES = Family("approval_place", ApprovalPlace, key=("status", "rank", "id"))
APPROVALS_OF_TASK = Family("approval_of_task", ApprovalOfTask, key=("task_id", "id"))


def place_of(approval: Approval) -> ApprovalPlace:
    """Where an approval stands in the list of its status."""
    rank = approval.expires_at if approval.settled_at is None else -approval.settled_at
    return ApprovalPlace(status=approval.status, rank=rank, id=approval.id)


def put(desk: Desk, approval: Approval, *, before: Approval | None = None) -> None:
    """Keep an approval, in the place of what it was `before`."""
    if before is None:
        desk.put(APPROVALS_OF_TASK, ApprovalOfTask(task_id=approval.task_id, id=approval.id))
    else:
        desk.remove(APPROVAL_PLACES, *APPROVAL_PLACES.key_of(place_of(before)))
    desk.put(APPROVALS, approval)
    desk.put(APPROVAL_PLACES, place_of(approval))


def of_task(reader: Reader, task_id: str) -> list[Approval]:
    """What a task has asked, by id."""
    ids = [one.id for one in reader.scan(APPROVALS_OF_TASK, task_id, limit=PER_TASK)]
    return [found for one in ids if (found := reader.record(APPROVALS, one)) is not None]


def of_task_in_batch(desk: Desk, task_id: str) -> list[Approval]:
    """What a task has asked, by id, locked where others could write it."""
    ids = [one.id for one in desk.scan(APPROVALS_OF_TASK, task_id, limit=PER_TASK)]
    return [found for one in ids if (found := desk.get(APPROVALS, one)) is not None]


def keeps_waiting(approvals: Sequence[Approval]) -> bool:
    """Whether a task that paused for answers still waits for one of these."""
    return any(approval.is_open and approval.pauses for approval in approvals)


def told(event: str, approval: Approval, *, actor: str, data: Mapping[str, Any]) -> Draft:
    """An event about an approval and the task that asked."""
    return Draft(
        type=event,
        actor=actor,
        subject_kind="approval",
        subject_id=approval.id,
        task_id=approval.task_id,
        attempt=approval.attempt or None,  # none of a task that never began, and waits for its budget
        data={"title": approval.title, **data},
    )
