"""What tasks that are to be filed name outside themselves, as far as it exists: looked up in one read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.permissions import Granted, Profiles
from agent_swarm.domain.swarms import Swarm
from agent_swarm.protocol.rest import DependencyInput, TaskInput
from agent_swarm.services import trigger_input
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.swarms import swarm_named
from agent_swarm.store.records import TaskRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a batch names outside itself, as far as it exists."""

    tasks: Mapping[str, TaskRecord] = field(default_factory=dict)  # parents with all their ancestors, and upstreams
    agents: frozenset[str] = frozenset()
    projects: Mapping[str, str] = field(default_factory=dict)  # id or name -> id
    swarms: Mapping[str, Swarm] = field(default_factory=dict)  # by what they are named, and by id
    own: Granted | None = None  # what the attempt that files may do itself


def names_nothing(tasks: Sequence[TaskInput], *, by: Identity) -> bool:
    """Whether the batch can be judged without a look at the store."""
    return by.task_id is None and not any(
        task.agent_id or task.project or task.swarm or task.parent_task_id or task.depends_on
        for task in _with_triggered(tasks)
    )


def _with_triggered(tasks: Sequence[TaskInput]) -> list[TaskInput]:
    """These, and those that their triggers file."""
    return [*tasks, *(filed for task in tasks if task.triggers for _, filed in trigger_input.filed(task.triggers))]


def look_up(tasks: Sequence[TaskInput], *, by: Identity, profiles: Profiles) -> Callable[[Queries], Known]:
    """A reading: what exists of that which `tasks` name."""
    tasks = _with_triggered(tasks)
    agents = {task.agent_id for task in tasks if task.agent_id}
    projects = {task.project for task in tasks if task.project}
    parents = {task.parent_task_id for task in tasks if task.parent_task_id} | ({by.task_id} if by.task_id else set())
    upstreams = {name for task in tasks for wanted in task.depends_on if (name := normalize_id(upstream_named(wanted)))}

    def reading(queries: Queries) -> Known:
        found = {record.spec.id: record for record in queries.tasks(sorted(parents | upstreams))}
        for parent in parents & found.keys():
            found.update((record.spec.id, record) for record in _ancestors(queries, found[parent]))
        return Known(
            tasks=found,
            agents=frozenset(agent_id for agent_id in agents if queries.agent(agent_id) is not None),
            projects={name: project.id for name in projects if (project := queries.project(name)) is not None},
            swarms=_swarms(queries, {task.swarm for task in tasks if task.swarm} | _swarms_of(found.values())),
            own=_granted(queries, by, found.get(by.task_id or ""), profiles),
        )

    return reading


def _swarms(queries: Queries, named: Iterable[str]) -> dict[str, Swarm]:
    found = ((name, swarm_named(queries, name)) for name in named)
    return {name: swarm for name, swarm in found if swarm is not None and swarm.is_there}


def _swarms_of(records: Iterable[TaskRecord]) -> set[str]:
    return {record.spec.swarm_id for record in records if record.spec.swarm_id}


def _granted(queries: Queries, by: Identity, own: TaskRecord | None, profiles: Profiles) -> Granted | None:
    """What the attempt that files tasks may do itself; None where a person files them."""
    agent = queries.agent(by.agent_id) if by.agent_id else None
    if own is None or agent is None:
        return None
    return profiles.granted(own.spec.permissions, agent.permissions, agent.profile.agent_role)


def _ancestors(queries: Queries, task: TaskRecord) -> Iterator[TaskRecord]:
    current: TaskRecord | None = task
    while current is not None and current.spec.parent_id:
        current = queries.task(current.spec.parent_id)
        if current is not None:
            yield current


def upstream_named(wanted: str | DependencyInput) -> str:
    """The task that is waited for, as it is called."""
    return wanted.task if isinstance(wanted, DependencyInput) else wanted
