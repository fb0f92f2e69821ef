"""Tasks that ended put their results into merge queues, in the transaction that ended them.

Nothing is decided here but whether a result enters. An ending costs one look where tasks of projects end, and two more
where one of these projects has a queue; it locks nothing that queues are moved on by.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent_swarm.domain.merge_queue import QueueStatus
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.merge_queue import (
    MERGE_QUEUES,
    QUEUE_NEWS,
    QUEUE_TASKS,
    MergeQueue,
    QueueEntry,
    QueueNews,
    QueueTask,
    QueueTaskKind,
    enter,
)

if TYPE_CHECKING:
    from agent_swarm.store.applying.work import Work


def enter_queues(work: "Work", ended: Mapping[str, TaskStatus]) -> None:
    """Put what these tasks delivered into the queues of their projects, and note the checks that have ended."""
    projects = {task_id: project for task_id in sorted(ended) if (project := work.must(task_id).project_id)}
    if not projects:
        return
    found = work.rows.under(MERGE_QUEUES, sorted(set(projects.values())))
    if not found:
        return
    queues = {queue.project_id: queue for queue in found}
    theirs = [task_id for task_id, project in projects.items() if project in queues]
    filed = {one.task_id: one for one in work.rows.under(QUEUE_TASKS, theirs)}
    for task_id in theirs:
        queue, of_queue = queues[projects[task_id]], filed.get(task_id)
        if of_queue is not None and of_queue.kind is QueueTaskKind.CHECK:
            work.put(QUEUE_NEWS, QueueNews(project_id=queue.project_id, id=task_id))
        elif task_id in work.delivered and _lets_in(queue, of_queue):
            hops = of_queue.hops if of_queue is not None else 0
            enter(work, QueueEntry(task_id=task_id, project_id=queue.project_id, hops=hops, entered_by=SYSTEM))


def _lets_in(queue: MergeQueue, of_queue: QueueTask | None) -> bool:
    """What a queue has asked for enters, whether or not others do."""
    return queue.status is not QueueStatus.OFF and (queue.automatic or of_queue is not None)
