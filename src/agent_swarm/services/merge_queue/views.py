"""Merge queues and the results in them, as clients see them."""

from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.protocol import limits
from agent_swarm.protocol import rest_merge_queue as rest
from agent_swarm.store.base import Queries
from agent_swarm.store.families.merge_queue import QUEUE_PLACES, MergeQueue, QueueEntry
from agent_swarm.store.records import ProjectRecord


def queue(queries: Queries, project: ProjectRecord, found: MergeQueue) -> rest.MergeQueue:
    """A queue, with what it does now."""
    places = queries.scan(QUEUE_PLACES, project.id, limit=limits.PAGE_MAX)
    return rest.MergeQueue(
        project_id=project.id,
        project=project.name,
        check=found.command,
        branch=found.branch or None,
        largest=found.largest,
        retries=found.retries,
        automatic=found.automatic,
        timeout_seconds=None if found.timeout is None else found.timeout / SECOND,
        tags=list(found.tags),
        status=found.status,
        halt_code=found.halt_code or None,
        halt_message=found.halt_message or None,
        check_task_id=found.check_task_id,
        checking=list(checking(found)),
        waiting=len(places),
        checks=found.checks,
        landed=found.landed,
        returned=found.returned,
        set_by=found.set_by,
        created_at=to_wire(found.created_at),
        updated_at=to_wire(found.updated_at),
    )


def entry(one: QueueEntry, title: str, found: MergeQueue, position: int | None) -> rest.QueueEntry:
    """A result, with where it stands."""
    is_checked = one.is_waiting and one.task_id in checking(found)
    return rest.QueueEntry(
        task_id=one.task_id,
        title=title,
        project_id=one.project_id,
        status=one.status,
        position=position,
        hops=one.hops,
        entered_at=to_wire(one.entered_at),
        entered_by=one.entered_by,
        check_task_id=found.check_task_id if is_checked else one.check_task_id,
        tested_with=list(one.tested_with),
        commit=one.commit or None,
        code=one.code or None,
        message=one.message or None,
        follow_up_id=one.followup_id,
        settled_at=None if one.settled_at is None else to_wire(one.settled_at),
    )


def checking(found: MergeQueue) -> tuple[str, ...]:
    """The results that are being checked now."""
    return found.under_way.entries[: found.check_size] if found.check_task_id is not None else ()
