"""Merge queues as they are kept: one per project, the results in it, and what a server has to look at.

A task that ends puts its result in, and a note of news: it locks nothing. Whoever moves a queue on locks its row first,
and finds it at the version that it has read or leaves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from agent_swarm.domain.merge_queue import LARGEST, RETRIES, EntryStatus, QueueStatus, Round
from agent_swarm.store.events import Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations.base import Desk

KEPT_PAST = 200  # results that are settled, of one queue
TRIM_AT_ONCE = 50
NOTHING: Mapping[str, Any] = MappingProxyType({})
CHANGED = ""  # the news that a person has changed a queue


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeQueue:
    """The queue of a project. `round` is what is under way, `check_task_id` the task that checks its first
    `check_size` results, `halt_code` and `halt_message` say why it does not go on. `version` grows with every change.
    """

    project_id: str
    command: str
    branch: str = ""  # empty: the project's own
    largest: int = LARGEST
    retries: int = RETRIES
    automatic: bool = False
    timeout: int | None = None
    tags: tuple[str, ...] = ()  # that workers need who check
    status: QueueStatus = QueueStatus.ACTIVE
    halt_code: str = ""
    halt_message: str = ""
    version: int = 1
    round: Mapping[str, Any] = field(default_factory=dict)
    check_task_id: str | None = None
    check_size: int = 0
    checks: int = 0
    landed: int = 0
    returned: int = 0
    set_by: str
    created_at: int = 0
    updated_at: int = 0

    @property
    def under_way(self) -> Round:
        """What is known of the results under way."""
        return Round.from_stored(self.round)

    def now(self, of: Round, **fields: Any) -> "MergeQueue":
        """The queue with another round."""
        return replace(self, round=of.stored(), **fields)

    def halted(self, code: str, message: str) -> "MergeQueue":
        """The queue as it stands still; what was known of the round is forgotten."""
        stopped = self.status if self.status is QueueStatus.OFF else QueueStatus.HALTED
        return self.now(self.under_way.over(), status=stopped, halt_code=code, halt_message=message[:500])


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """The result of a task in a queue. `tested_with` are the results that it failed with, `hops` how often the work
    came back before.
    """

    task_id: str
    project_id: str
    status: EntryStatus = EntryStatus.WAITING
    hops: int = 0
    entered_at: int = 0
    entered_by: str = ""
    check_task_id: str | None = None  # that settled it
    tested_with: tuple[str, ...] = ()
    commit: str = ""
    code: str = ""
    message: str = ""
    followup_id: str | None = None
    settled_at: int | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether nothing has become of it yet."""
        return self.status is EntryStatus.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlace:
    """Where a result stands that waits, first ones first."""

    project_id: str
    at: int
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePast:
    """Results that are settled, the latest first: `rank` is the instant below zero."""

    project_id: str
    rank: int
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueNews:
    """Something that a server has to look at: a result, a check that has ended, or a change."""

    project_id: str
    id: str


class QueueTaskKind(StrEnum):
    """Why a queue has filed a task."""

    CHECK = "check"
    FOLLOW_UP = "followUp"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTask:
    """A task that a queue has filed. `of` are the tasks that a check is about, in order; of a follow-up the one whose
    work came back, and the one in whose prompt it began.
    """

    task_id: str
    project_id: str
    kind: QueueTaskKind
    of: tuple[str, ...] = ()
    branch: str = ""  # that a check lands on; empty: the project's own
    hops: int = 0


MERGE_QUEUES = Family("merge_queue", MergeQueue, key=("project_id",))
QUEUE_ENTRIES = Family("merge_queue_entry", QueueEntry, key=("task_id",))
QUEUE_PLACES = Family("merge_queue_place", QueuePlace, key=("project_id", "at", "task_id"))
QUEUE_PAST = Family("merge_queue_past", QueuePast, key=("project_id", "rank", "task_id"))
QUEUE_NEWS = Family("merge_queue_news", QueueNews, key=("project_id", "id"))
QUEUE_TASKS = Family("merge_queue_task", QueueTask, key=("task_id",))


def put_queue(desk: Desk, queue: MergeQueue) -> MergeQueue:
    """Keep a queue as it is now, under its next version."""
    queue = replace(queue, version=queue.version + 1, updated_at=desk.now)
    desk.put(MERGE_QUEUES, queue)
    return queue


def enter(desk: Desk, entry: QueueEntry) -> QueueEntry:
    """Put a result at the end of its queue."""
    entry = replace(entry, entered_at=desk.now)
    desk.put(QUEUE_ENTRIES, entry)
    desk.add(QUEUE_PLACES, [QueuePlace(project_id=entry.project_id, at=desk.now, task_id=entry.task_id)])
    desk.put(QUEUE_NEWS, QueueNews(project_id=entry.project_id, id=entry.task_id))
    about = {"hops": entry.hops}
    desk.say(
        told("mergeQueue.entered", entry.project_id, about, actor=entry.entered_by, task_id=entry.task_id),
    )
    return entry


def settle(desk: Desk, entry: QueueEntry) -> None:
    """Keep what became of a result. What was settled long ago is forgotten."""
    entry = replace(entry, settled_at=desk.now)
    desk.remove(QUEUE_PLACES, entry.project_id, entry.entered_at, entry.task_id)
    desk.put(QUEUE_ENTRIES, entry)
    desk.put(QUEUE_PAST, QueuePast(project_id=entry.project_id, rank=-desk.now, task_id=entry.task_id))


def trim(desk: Desk, project_id: str) -> None:
    """Forget results beyond the latest that were settled."""
    for one in desk.scan(QUEUE_PAST, project_id, limit=KEPT_PAST + TRIM_AT_ONCE)[KEPT_PAST:]:
        desk.remove(QUEUE_PAST, one.project_id, one.rank, one.task_id)
        entry = desk.get(QUEUE_ENTRIES, one.task_id)
        if entry is not None and entry.settled_at == -one.rank:
            desk.remove(QUEUE_ENTRIES, one.task_id)


def told(
    event: str, project_id: str, data: Mapping[str, Any] = NOTHING, *, actor: str, task_id: str | None = None
) -> Draft:
    """An event about the queue of a project, and about one result where it names a task."""
    return Draft(
        type=event, actor=actor, subject_kind="project", subject_id=project_id, task_id=task_id, data=dict(data)
    )
