"""Operations on merge queues that people ask for: have one, or none; put a result in, or take it out."""

from dataclasses import dataclass, replace

from agent_swarm.domain.errors import Conflict, NotFound
from agent_swarm.domain.merge_queue import EntryStatus, QueueStatus
from agent_swarm.store.families.merge_queue import (
    CHANGED,
    MERGE_QUEUES,
    QUEUE_ENTRIES,
    QUEUE_NEWS,
    MergeQueue,
    QueueEntry,
    QueueNews,
    enter,
    put_queue,
    settle,
    told,
    trim,
)
from agent_swarm.store.operations.base import Desk, RecordOperation


def no_queue(project: str) -> NotFound:
    """The project has no merge queue."""
    return NotFound(
        f"project {project!r} has no merge queue",
        hint="give it one: agent-swarm queue set REPO --check COMMAND",
        details={"project": project},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnQueue(RecordOperation[MergeQueue]):
    """Something about the queue of one project."""

    project_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"mergeQueue:{self.project_id}",)

    def _found(self, desk: Desk) -> MergeQueue:
        found = desk.get(MERGE_QUEUES, self.project_id)
        if found is None:
            raise no_queue(self.project_id)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQueue(_OnQueue):
    """Have the project's queue go on with these settings, where they are read at `version`; 0 for a new one.

    Raises Conflict where somebody was faster. A check that is under way ends as it was filed.
    """

    version: int
    wanted: MergeQueue

    def carry_out(self, desk: Desk) -> MergeQueue:
        """What stopped it is forgotten, and what was known of results under other settings."""
        found = desk.get(MERGE_QUEUES, self.project_id)
        if (found.version if found else 0) != self.version:
            raise Conflict(
                "somebody else has changed this queue meanwhile",
                hint="look at it and decide anew: agent-swarm queue show",
                details={"projectId": self.project_id},
            )
        after = replace(self.wanted, version=self.version, status=QueueStatus.ACTIVE, halt_code="", halt_message="")
        if found is None:
            after = replace(after, created_at=desk.now)
        elif found.check_task_id is None:
            after = after.now(found.under_way.over())
        after = put_queue(desk, after)
        desk.put(QUEUE_NEWS, QueueNews(project_id=self.project_id, id=CHANGED))
        about = {"branch": after.branch, "largest": after.largest, "automatic": after.automatic}
        desk.say(told("mergeQueue.set", self.project_id, about, actor=self.actor))
        return after


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOffQueue(_OnQueue):
    """Check nothing more, and let nothing in by itself. A check that is under way ends, and may land."""

    def carry_out(self, desk: Desk) -> MergeQueue:
        """Once more is fine. What waits stays where it is."""
        found = self._found(desk)
        if found.status is QueueStatus.OFF:
            return found
        after = put_queue(desk, replace(found, status=QueueStatus.OFF, halt_code="", halt_message=""))
        desk.say(told("mergeQueue.off", self.project_id, actor=self.actor))
        return after


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterQueue(RecordOperation[QueueEntry]):
    """Put the result of a task that is completed into the queue of its project, again where it came back or out.

    Raises NotFound where the project has none.
    """

    project_id: str
    task_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"mergeQueue:{self.project_id}",)

    def carry_out(self, desk: Desk) -> QueueEntry:
        """What waits, or is on the branch, is answered as it is."""
        queue = desk.get(MERGE_QUEUES, self.project_id)
        if queue is None:
            raise no_queue(self.project_id)
        found = desk.get(QUEUE_ENTRIES, self.task_id)
        if found is not None and found.status in (EntryStatus.WAITING, EntryStatus.LANDED):
            return found
        put_queue(desk, queue)
        hops = found.hops if found is not None else 0
        return enter(
            desk, QueueEntry(task_id=self.task_id, project_id=self.project_id, hops=hops, entered_by=self.actor)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFromQueue(RecordOperation[QueueEntry]):
    """Take a result out that waits. Raises NotFound, and Conflict while it is being checked or where it is settled."""

    project_id: str
    task_id: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"mergeQueue:{self.project_id}",)

    def carry_out(self, desk: Desk) -> QueueEntry:
        """Once more is fine."""
        queue = desk.get(MERGE_QUEUES, self.project_id)
        found = desk.get(QUEUE_ENTRIES, self.task_id)
        if queue is None or found is None:
            raise NotFound(
                f"the result of task {self.task_id!r} is in no merge queue", hint="see: agent-swarm queue ls REPO"
            )
        if found.status is EntryStatus.DROPPED:
            return found
        self._require_loose(queue, found)
        of = queue.under_way
        put_queue(desk, queue.now(of.without(self.task_id)) if self.task_id in of.entries else queue)
        after = replace(found, status=EntryStatus.DROPPED)
        settle(desk, after)
        trim(desk, self.project_id)
        desk.put(QUEUE_NEWS, QueueNews(project_id=self.project_id, id=CHANGED))
        desk.say(told("mergeQueue.dropped", self.project_id, actor=self.actor, task_id=self.task_id))
        return after

    def _require_loose(self, queue: MergeQueue, found: QueueEntry) -> None:
        details = {"taskId": self.task_id, "status": found.status.value}
        if not found.is_waiting:
            raise Conflict(f"the result is {found.status} already", hint="it waits no more", details=details)
        check, under_check = queue.check_task_id, queue.under_way.entries[: queue.check_size]
        if check is not None and self.task_id in under_check:
            raise Conflict(
                f"the result is being checked, in task {check}, and may be on the branch already",
                hint=f"let it end, or stop it and the queue: agent-swarm task cancel {check}",
                details={**details, "checkTaskId": check},
            )
