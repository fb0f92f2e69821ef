"""What became of the offers of a task: one record for each agent that it was offered to, the latest word on it.

The task itself says to whom it is offered now, and until when; the record stays, so that an answer that comes again or
too late can be told what happened.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from agent_swarm.domain.changes import Change
from agent_swarm.domain.offers import OfferStatus, status_after
from agent_swarm.domain.tasks import TaskState
from agent_swarm.store.base import Queries
from agent_swarm.store.families.family import Family

T = TypeVar("T")

PER_TASK = 100  # as many are read of one task; a swarm has fewer agents that are asked for one


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOffer:
    """A task was offered to this agent. `expires_at` is until when it could be answered."""

    task_id: str
    agent_id: str
    status: OfferStatus
    offered_by: str
    offered_at: int
    expires_at: int
    settled_at: int | None = None
    settled_by: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """It waits for an answer."""
        return self.status is OfferStatus.OPEN


TASK_OFFERS = Family("task_offer", TaskOffer, key=("task_id", "agent_id"))


class Records(Protocol):
    """Where offers are kept: in the transaction of a batch."""

    @property
    def now(self) -> int:
        """The instant of the batch."""

    def get(self, family: Family[T], *key: Any) -> T | None:
        """The record under this key."""

    def put(self, family: Family[T], record: T) -> None:
        """Add a record, or replace the one under its key."""


def keep(records: Records, before: TaskState, change: Change, *, actor: str, reason: str) -> None:
    """Write down what `change` makes of the offer of a task, if it is about one."""
    status = status_after(before, change)
    if status is None:
        return
    now, state = records.now, change.state
    if status is OfferStatus.OPEN:
        assert state.pinned_agent is not None and state.pinned_until is not None  # that is what an offer is
        records.put(
            TASK_OFFERS,
            TaskOffer(
                task_id=state.id,
                agent_id=state.pinned_agent,
                status=status,
                offered_by=actor,
                offered_at=now,
                expires_at=state.pinned_until,
            ),
        )
        return
    found = records.get(TASK_OFFERS, before.id, before.pinned_agent)
    assert found is not None  # it was put when the task was offered
    records.put(TASK_OFFERS, replace(found, status=status, settled_at=now, settled_by=actor, reason=reason))


def offers_of(queries: Queries, task_id: str) -> list[TaskOffer]:
    """The offers of a task, the latest one first."""
    return latest_first(queries.scan(TASK_OFFERS, task_id, limit=PER_TASK))


def latest_first(offers: list[TaskOffer]) -> list[TaskOffer]:
    """Offers, an open one before the latest."""
    return sorted(offers, key=lambda one: (not one.is_open, -one.offered_at, one.agent_id))
