"""Filing tasks: what clients send becomes one operation that creates all of it or nothing.

Nothing is stored that cannot be carried out: what the input names must exist, and each refusal names the field at
fault.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent_swarm.domain.agent_tree import AgentCaps
from agent_swarm.domain.budgets import NO_CAPS, RootCaps
from agent_swarm.domain.caps import Caps
from agent_swarm.domain.dependencies import OnFailure, in_creation_order
from agent_swarm.domain.errors import Denied, InvalidInput, TooLarge, UnknownReference
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.permissions import STANDARD, Profile, Profiles
from agent_swarm.domain.swarms import Swarm
from agent_swarm.domain.time import SECOND, from_wire, to_wire
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import BatchTaskInput, DependencyInput, TaskInput
from agent_swarm.services import result_schemas, trigger_input
from agent_swarm.services.harnesses import capability_of, named
from agent_swarm.services.permissions import profile_of
from agent_swarm.services.task_budgets import (
    budgets_of_task,
)
from agent_swarm.services.task_references import Known, upstream_named
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.families.swarms import unknown_swarm_in
from agent_swarm.store.families.task_terms import TaskTerms
from agent_swarm.store.operations import Capped, Created, CreateTasks, Idempotency, NewTask, OfferedTo
from agent_swarm.store.records import Edge, TaskRecord, TaskSpec
from agent_swarm.workflows.shell_use import ShellUse

DEEPEST = 32  # levels of tasks that file tasks; a loop of agents that delegate ends here


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an operator has laid down for tasks that are filed and agents that are introduced."""

    caps: Caps = Caps()
    agent_caps: AgentCaps = AgentCaps()
    root_caps: RootCaps = NO_CAPS
    profiles: Profiles = STANDARD
    shell: ShellUse = ShellUse.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The operation that creates a batch, and how to tell the client about it."""

    operation: CreateTasks
    positions: tuple[int, ...]  # of each task sent, in the operation, which has them in creation order
    refs: Mapping[str, int]  # ref -> index as sent

    def ids(self, created: Created) -> list[str]:
        """The ids in the order sent, those of the first request where this one repeats it."""
        return [created.task_ids[position] for position in self.positions]


def create_task(
    task: TaskInput, known: Known, *, by: Identity, rules: Rules, idempotency: Idempotency | None = None
) -> CreateTasks:
    """File one task."""
    new = _new_task(task, "", new_id(), {}, known, by, rules)
    return CreateTasks(tasks=(new,), actor=by.actor, idempotency=idempotency, capped=_capped(by, rules.caps))


def create_graph(
    tasks: Sequence[BatchTaskInput], known: Known, *, by: Identity, rules: Rules, idempotency: Idempotency | None = None
) -> Graph:
    """File tasks that may wait for each other by `ref`; raises DependencyCycle where they wait in a circle."""
    refs = _refs(tasks)
    ids = [new_id() for _ in tasks]
    local = {ref: ids[index] for ref, index in refs.items()}
    new = {
        ids[index]: _new_task(task, f"tasks[{index}].", ids[index], local, known, by, rules)
        for index, task in enumerate(tasks)
    }
    shown = {task_id: tasks[index].ref or f"tasks[{index}]" for index, task_id in enumerate(ids)}
    # Cycles are told in the client's own words, so the order is found over those.
    by_name = {
        shown[task_id]: [shown.get(edge.upstream_id, "") for edge in task.edges] for task_id, task in new.items()
    }
    id_of = {name: task_id for task_id, name in shown.items()}
    ordered = [id_of[name] for name in in_creation_order(by_name)]
    place = {task_id: position for position, task_id in enumerate(ordered)}
    return Graph(
        operation=CreateTasks(
            tasks=tuple(new[i] for i in ordered),
            actor=by.actor,
            idempotency=idempotency,
            capped=_capped(by, rules.caps),
        ),
        positions=tuple(place[task_id] for task_id in ids),
        refs=refs,
    )


def _capped(by: Identity, caps: Caps) -> Capped | None:
    """Whoever acts for an attempt is an agent; people are not capped."""
    return Capped(agent_id=by.agent_id, caps=caps) if by.task_id and by.agent_id else None


def _new_task(
    task: TaskInput,
    where: str,
    task_id: str,
    local: Mapping[str, str],
    known: Known,
    by: Identity,
    rules: Rules,
) -> NewTask:
    require_prompt(task.prompt, field=f"{where}prompt")
    parent = _parent(task, where, known, by)
    swarm = _swarm(task, where, known, by, parent)
    terms = _terms(task, where, task_id)
    profile = profile_of(task.permissions, f"{where}permissions", known.own, rules.profiles)
    for index, filed in trigger_input.filed(task.triggers):
        _new_task(filed, f"{where}triggers[{index}].do.createTask.", task_id, {}, known, by, rules)
    spec = TaskSpec(
        id=task_id,
        title=_title(task, where),
        prompt=task.prompt,
        requires=_requirements(task, where, known, profile, swarm),
        labels=tuple(dict.fromkeys(task.tags)),
        harness=",".join(named(task.harness)) or None,
        model=task.model,
        project_id=_project(task, where, known, swarm),
        priority=task.priority,
        timeout=None if task.timeout_seconds is None else max(1, int(task.timeout_seconds * SECOND)),
        created_by=by.actor,
        parent_id=parent.spec.id if parent else None,
        root_id=parent.spec.root_id if parent else "",
        depth=parent.spec.depth + 1 if parent else 0,
        permissions=profile.name if profile else None,
        has_terms=terms is not None,
    )
    return NewTask(
        spec=spec,
        edges=_edges(task, where, local, known),
        backlog=task.backlog,
        not_before=_start_at(task.start_at, where),
        max_attempts=task.max_attempts,
        offer=_offer(task, where),
        terms=terms,
        triggers=trigger_input.of_task(task.triggers, where, task_id, by=by),
        budgets=budgets_of_task(
            task.budget, task_id, is_root=parent is None, field=f"{where}budget", caps=rules.root_caps
        ),
    )


def _terms(task: TaskInput, where: str, task_id: str) -> TaskTerms | None:
    """What is laid down about its result, and what it is told of others."""
    if task.result_schema is not None:
        result_schemas.require_usable(task.result_schema, field=f"{where}resultSchema")
    elif not task.include_results:
        return None
    return TaskTerms(task_id=task_id, result_schema=task.result_schema, with_results=task.include_results)


def _offer(task: TaskInput, where: str) -> OfferedTo | None:
    """Whom it is shown to first. What waits for something else cannot be offered yet."""
    if task.offer_to is None:
        return None
    if task.depends_on or task.backlog or task.start_at is not None or task.agent_id is not None:
        raise _invalid(
            f"{where}offerTo",
            "goes with none of dependsOn, backlog, startAt and agentId: what waits is offered once it is in the queue",
        )
    return OfferedTo(agent_id=task.offer_to, ttl=int(task.offer_seconds * SECOND))


def require_prompt(prompt: str, *, field: str) -> None:
    """Raises TooLarge or InvalidInput, naming `field`, for a prompt that no task may have."""
    size = len(prompt.encode())
    if size > limits.PROMPT_BYTES:
        raise TooLarge(
            f"{field} has {size} bytes, at most {limits.PROMPT_BYTES} are taken",
            hint="put long material into a file of the project and name it in the prompt",
            details={"field": field, "bytes": size, "limit": limits.PROMPT_BYTES},
        )
    if not prompt.strip():
        raise _invalid(field, "is blank, expected what the agent shall do")


def _title(task: TaskInput, where: str) -> str:
    if task.title is not None:
        title = " ".join(task.title.split())
        if not title:
            raise _invalid(f"{where}title", "is blank; leave it out to take the prompt's first line")
        return title
    first = next(" ".join(line.split()) for line in task.prompt.splitlines() if line.strip())
    return first if len(first) <= limits.TITLE_CHARS else f"{first[: limits.TITLE_CHARS - 1]}…"


def _requirements(
    task: TaskInput, where: str, known: Known, profile: Profile | None, swarm: Swarm | None
) -> Requirements:
    if task.agent_id is not None and task.agent_id not in known.agents:
        raise _unknown(f"{where}agentId", "agent", task.agent_id)
    capabilities = set(task.requires.capabilities) | (profile.needs if profile else set())
    if task.harness is not None:
        capabilities.add(capability_of(task.harness, field=f"{where}harness"))
    return Requirements(
        tags=frozenset(task.requires.tags),
        capabilities=frozenset(capabilities),
        agent_id=task.agent_id,
        swarm_id=swarm.id if swarm else None,
        any_tag=frozenset(task.requires.any_tag),
    )


def _swarm(task: TaskInput, where: str, known: Known, by: Identity, parent: TaskRecord | None) -> Swarm | None:
    """The swarm that a task is filed in: the one it names, else its parent's. An attempt files in its own alone."""
    above = parent.spec.swarm_id if parent else None
    inherited = known.swarms.get(above) if above else None
    if task.swarm is None:
        return inherited
    named = known.swarms.get(task.swarm)
    if by.task_id is not None and (named is None or named != inherited):
        raise Denied(
            f"{where}swarm names {task.swarm!r}: what a running agent files belongs to the swarm of its own task",
            hint="leave swarm out",
            details={"field": f"{where}swarm", "value": task.swarm},
        )
    if named is None:
        raise unknown_swarm_in(f"{where}swarm", task.swarm)
    return named


def _project(task: TaskInput, where: str, known: Known, swarm: Swarm | None) -> str | None:
    if task.project is None:
        return swarm.project_id if swarm else None
    project_id = known.projects.get(task.project)
    if project_id is None:
        raise _unknown(f"{where}project", "project", task.project)
    return project_id


def _parent(task: TaskInput, where: str, known: Known, by: Identity) -> TaskRecord | None:
    """The task to file this one under. An attempt's token files below its own task and nowhere else."""
    parent_id = task.parent_task_id
    if not by.may(Scope.TASKS_WRITE):
        parent_id = parent_id or by.task_id
    if parent_id is None:
        return None
    parent = known.tasks.get(parent_id)
    if parent is None:
        raise _unknown(f"{where}parentTaskId", "task", parent_id)
    if not by.may(Scope.TASKS_WRITE) and by.task_id not in set(_line(parent, known)):
        raise Denied(
            f"{where}parentTaskId names task {parent_id!r}, which is not below task {by.task_id!r} of this token",
            hint="leave parentTaskId out: the new task then belongs to the token's own task",
            details={"field": f"{where}parentTaskId", "taskId": parent_id},
        )
    if parent.spec.depth >= DEEPEST:
        raise _invalid(f"{where}parentTaskId", f"names a task {DEEPEST} levels deep; tasks go no deeper")
    return parent


def _line(task: TaskRecord, known: Known) -> Iterator[str]:
    """The task and its ancestors."""
    current: TaskRecord | None = task
    while current is not None:
        yield current.spec.id
        current = known.tasks.get(current.spec.parent_id) if current.spec.parent_id else None


def _edges(task: TaskInput, where: str, local: Mapping[str, str], known: Known) -> tuple[Edge, ...]:
    edges: dict[str, OnFailure] = {}
    for index, wanted in enumerate(task.depends_on):
        place = f"{where}dependsOn[{index}]"
        upstream = _upstream(upstream_named(wanted), place, local, known)
        policy = wanted.on_failure if isinstance(wanted, DependencyInput) else OnFailure.FAIL
        if edges.setdefault(upstream, policy) is not policy:
            raise _invalid(place, "names a task a second time, with another onFailure")
    return tuple(Edge(upstream_id=upstream, on_failure=policy) for upstream, policy in edges.items())


def _upstream(name: str, place: str, local: Mapping[str, str], known: Known) -> str:
    if name in local:
        return local[name]
    task_id = normalize_id(name)
    if task_id is None or task_id not in known.tasks:
        raise _unknown(place, "task", name)
    return task_id


def _refs(tasks: Sequence[BatchTaskInput]) -> dict[str, int]:
    refs: dict[str, int] = {}
    for index, task in enumerate(tasks):
        if task.ref is not None and refs.setdefault(task.ref, index) != index:
            raise _invalid(
                f"tasks[{index}].ref", f"is {task.ref!r}, as is that of tasks[{refs[task.ref]}]; refs must differ"
            )
    return refs


def _start_at(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    try:
        instant = from_wire(text)
        to_wire(instant)  # an offset may carry it out of what can be written
        return instant
    except (ValueError, OverflowError):
        raise _invalid(f"{where}startAt", "is not a time, expected RFC 3339 such as 2026-11-20T18:44:35Z") from None


def _invalid(name: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{name} {problem}", details={"field": name})


def _unknown(name: str, kind: str, value: str) -> UnknownReference:
    return UnknownReference(
        f"{name} names {kind} {value!r}, which does not exist",
        hint=f"create the {kind} first, or correct {name}",
        details={"field": name, "value": value},
    )
