"""Operations on approvals: an attempt asks, a person answers, time settles (`applying/approvals`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.store.families.approvals import Approval
from agent_swarm.store.operations import ApprovalOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class AskApproval(ApprovalOperation[Approval]):
    """An attempt asks people, for `lasts` microseconds. The same id again is the one that is there.

    Raises StaleLease or IllegalTransition for an attempt that is over, IdempotencyMismatch, and Conflict where a task
    asks too often. Where the approval pauses the task, the worker is told to.
    """

    approval: Approval
    fence: int
    lasts: int
    actor: str

    @property
    def task_ids(self) -> tuple[str, ...]:
        return (self.approval.task_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerApproval(ApprovalOperation[Approval]):
    """A person answers, or denies. Raises NotFound, InvalidInput, and Conflict for whoever comes second."""

    approval_id: str
    task_id: str
    actor: str
    answers: Mapping[str, Any] = field(default_factory=dict)
    denies: bool = False
    comment: str = ""

    @property
    def task_ids(self) -> tuple[str, ...]:
        return (self.task_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleApprovals(ApprovalOperation[int]):
    """Settle those of `asked` (approval, task) that have run out, or whose task has ended; answers how many."""

    asked: tuple[tuple[str, str], ...]

    @property
    def task_ids(self) -> tuple[str, ...]:
        return tuple(task_id for _, task_id in self.asked)

    @property
    def weight(self) -> int:
        return max(1, len(self.asked))
