"""What people look at: each function is one reading of the store, made in one moment, in the words of the REST face."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from agent_swarm.domain.errors import Denied, NotFound, UnknownReference, UnknownTask
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol import limits, rest
from agent_swarm.services import cursors, views
from agent_swarm.services.agents import held_by_agent
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.base import Queries
from agent_swarm.store.families.offers import offers_of
from agent_swarm.store.families.swarms import swarm_named, unknown_swarm_in
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.families.task_terms import TASK_TERMS
from agent_swarm.store.records import AttemptRecord, TaskFilter, TaskRecord

WAITING = (TaskStatus.PENDING, TaskStatus.OFFERED, TaskStatus.BLOCKED, TaskStatus.PAUSED)


def require_task(queries: Queries, task_id: str) -> TaskRecord:
    """The task, or UnknownTask."""
    record = queries.task(task_id)
    if record is None:
        raise UnknownTask(task_id)
    return record


def require_attempt(queries: Queries, task_id: str, number: int) -> AttemptRecord:
    """The attempt, or UnknownTask or NotFound."""
    require_task(queries, task_id)
    record = queries.attempt(task_id, number)
    if record is None:
        raise NotFound(
            f"task {task_id!r} has no attempt {number}",
            hint="attempts are counted from 1",
            details={"taskId": task_id, "attempt": number},
        )
    return record


def tasks(task_ids: Sequence[str]) -> Callable[[Queries], list[rest.Task]]:
    """A reading: tasks in the order of `task_ids`."""

    def reading(queries: Queries) -> list[rest.Task]:
        found = {record.spec.id: views.task(record) for record in queries.tasks(task_ids)}
        return [found[task_id] for task_id in task_ids]

    return reading


def task_detail(task_id: str, *, by: Identity) -> Callable[[Queries], rest.TaskDetail]:
    """A reading: one task, whole. An attempt's token sees its own task and those that one depends on."""

    def reading(queries: Queries) -> rest.TaskDetail:
        if not by.may(Scope.TASKS_READ):
            _require_related(queries, task_id, by)
        return views.task_detail(
            require_task(queries, task_id),
            upstreams=queries.upstreams(task_id),
            dependants=queries.dependants(task_id, limit=limits.PAGE_MAX),
            offers=offers_of(queries, task_id),
            terms=queries.record(TASK_TERMS, task_id),
        )

    return reading


def _require_related(queries: Queries, task_id: str, by: Identity) -> None:
    """Refuse in the same words whether or not the task exists."""
    if by.task_id is None or (
        task_id != by.task_id and all(edge.other_id != task_id for edge in queries.upstreams(by.task_id))
    ):
        raise Denied(
            f"this token may read its own task and what that one depends on, not task {task_id!r}",
            hint="use an operator's token for other tasks",
            details={"taskId": task_id},
        )


def task_page(
    filters: TaskFilter, *, project: str | None, cursor: str | None, limit: int, swarm: str | None = None
) -> Callable[[Queries], rest.TaskPage]:
    """A reading: a page of tasks, newest first; `project` and `swarm` are ids or names."""
    after = None if cursor is None else cursors.read_task(cursor)

    def reading(queries: Queries) -> rest.TaskPage:
        wanted = filters if project is None else _of_project(filters, queries, project)
        if swarm is not None:
            wanted = replace(wanted, swarm_id=_swarm_id(queries, swarm))
        found = queries.list_tasks(wanted, after=after, limit=limit + 1)
        shown, following = cursors.page(found, limit, cursors.after_task)
        return rest.TaskPage(tasks=[views.task(record) for record in shown], next_cursor=following)

    return reading


def _of_project(filters: TaskFilter, queries: Queries, project: str) -> TaskFilter:
    found = queries.project(normalize_id(project) or project)
    if found is None:
        raise UnknownReference(
            f"project names {project!r}, which does not exist",
            hint="list projects with: agent-swarm repo list",
            details={"field": "project", "value": project},
        )
    return replace(filters, project_id=found.id)


def _swarm_id(queries: Queries, swarm: str) -> str:
    """By its id also of one that was deleted: its tasks stay."""
    found = swarm_named(queries, swarm)
    if found is None:
        raise unknown_swarm_in("swarm", swarm)
    return found.id


def attempts(task_id: str, *, cursor: str | None, limit: int) -> Callable[[Queries], rest.AttemptList]:
    """A reading: a page of the tries at a task, first one first."""
    after = cursors.read_number(cursor)

    def reading(queries: Queries) -> rest.AttemptList:
        require_task(queries, task_id)
        found = queries.attempts(task_id, after=after, limit=limit + 1)
        shown, following = cursors.page(found, limit, lambda record: cursors.after_number(record.number))
        return rest.AttemptList(attempts=[views.attempt(record) for record in shown], next_cursor=following)

    return reading


def overview(*, now: int) -> Callable[[Queries], rest.Overview]:
    """A reading: what runs, what waits, who works."""

    def reading(queries: Queries) -> rest.Overview:
        held = queries.held_tasks()
        holds = held_by_agent(held)
        agents = {"idle": 0, "busy": 0, "offline": 0}
        found = queries.agents()
        for agent in found:
            agents[views.agent_status(agent, is_busy=agent.profile.id in holds, now=now)] += 1
        names = {agent.profile.id: agent.name for agent in found}
        killed = killed_switches(queries)
        counts = queries.counts()
        waiting = queries.list_tasks(TaskFilter(statuses=WAITING), after=None, limit=limits.OVERVIEW_WAITING)
        return rest.Overview(
            tasks={status.value: counts.get(status, 0) for status in TaskStatus},
            agents=agents,
            running=[views.task(record) for record in held[: limits.PAGE_MAX]],
            waiting=[views.task(record) for record in waiting],
            killed=[views.switch(switch, names) for switch in killed[: limits.PAGE_MAX]],
        )

    return reading
