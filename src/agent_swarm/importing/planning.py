"""What an import writes: foreign values compared with what is stored, as operations. Pure but for reading.

What is stored stays as it is: the same import again finds everything there and writes nothing. What this program would
refuse to create is kept for the report, and so is what needs it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent_swarm.domain.budgets import NO_CAPS, RootCaps
from agent_swarm.domain.dependencies import in_creation_order
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.matching import AgentProfile, AgentRole, Requirements
from agent_swarm.importing.foreign import Foreign, ForeignAgent, ForeignProject, ForeignTask, our_id
from agent_swarm.importing.plan import ACTOR, Plan
from agent_swarm.importing.rows import stranded
from agent_swarm.importing.schedules import plan_schedules
from agent_swarm.importing.swarms import plan_messages, plan_swarms
from agent_swarm.protocol import limits
from agent_swarm.services.harnesses import HARNESSES
from agent_swarm.services.projects import repository_address
from agent_swarm.services.task_budgets import root_budgets
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import CreateProject, CreateTasks, IntroduceAgent, NewTask
from agent_swarm.store.records import AgentRecord, Edge, ProjectRecord, TaskSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a project, as the API has it


def planned(foreign: Foreign, queries: Queries, *, now: int, caps: RootCaps = NO_CAPS) -> Plan:
    """What is to be written of all but the configuration, which `entries` adds.

    Every task is a root task, which `caps` are for.
    """
    plan = Plan(kept=list(foreign.kept), notes=list(foreign.notes))
    for agent in foreign.agents:
        _plan_agent(plan, foreign.system, agent, queries)
    projects = {project.id: _plan_project(plan, project, queries) for project in foreign.projects}
    plan.places |= {("agent", agent.id): agent.id for agent in foreign.agents}
    plan.places |= {("project", project_id): found for project_id, found in projects.items()}
    swarms = plan_swarms(plan, foreign, projects, queries)
    _plan_tasks(plan, foreign.tasks, projects, swarms, queries, caps)
    plan_messages(plan, foreign, swarms, queries)
    plan_schedules(plan, foreign.schedules, queries, now=now)
    return plan


def _plan_agent(plan: Plan, system: str, agent: ForeignAgent, queries: Queries) -> None:
    if queries.agent(agent.id) is not None:
        plan.unchanged["agents"] += 1
        return
    profile = AgentProfile(
        id=agent.id,
        agent_role=AgentRole.LEAD if agent.is_lead else AgentRole.WORKER,
        role=agent.role,
        skills=frozenset(agent.skills),
    )
    record = AgentRecord(
        profile=profile,
        name=agent.name,
        description=agent.description,
        harness=agent.harness,
        slots=agent.slots,
        instance_id=our_id(system, "instance", f"of {agent.id}"),  # no process; the first real one takes over
    )
    plan.operations.append(IntroduceAgent(agent=record, actor=ACTOR, origin=system))
    plan.new["agents"] += 1


def _plan_project(plan: Plan, project: ForeignProject, queries: Queries) -> str | None:
    """The id that the project has here; None where it cannot be imported."""
    try:
        address = repository_address(project.repo_url)
    except InvalidInput as exc:
        plan.refuse("projects", project.id, exc.message.replace(project.repo_url, "its address"))
        return None
    if not _NAME.fullmatch(project.name) or normalize_id(project.name) or len(project.name) > limits.LABEL_CHARS:
        plan.refuse("projects", project.id, f"{project.name!r} cannot be the name of a project")
        return None
    found = queries.project(project.id) or queries.project(project.name)
    if found is None:
        record = ProjectRecord(id=project.id, name=project.name, repo_url=address, default_branch=project.branch)
        plan.operations.append(CreateProject(project=record, actor=ACTOR))
        plan.new["projects"] += 1
        return project.id
    if found.repo_url != address:
        plan.refuse("projects", project.id, f"a project {project.name!r} of another repository is here already")
        return None
    plan.unchanged["projects"] += 1
    return found.id


def _plan_tasks(
    plan: Plan,
    tasks: Sequence[ForeignTask],
    projects: Mapping[str, str | None],
    swarms: Mapping[str, str | None],
    queries: Queries,
    caps: RootCaps,
) -> None:
    there = {record.spec.id for record in queries.tasks([task.id for task in tasks])}
    plan.unchanged["tasks"] += len(there)
    fresh = {task.id: task for task in tasks if task.id not in there}
    for task in list(fresh.values()):
        if problem := _problem_of(task, projects, swarms):
            _refuse_task(plan, task, problem)
            del fresh[task.id]
    waiting = {
        task_id: replace(task, depends_on=tuple(one for one in task.depends_on if one not in there))
        for task_id, task in fresh.items()
    }
    for task_id, reason in stranded(waiting):
        _refuse_task(plan, fresh.pop(task_id), reason)
    if not fresh:
        return
    order = in_creation_order({task_id: task.depends_on for task_id, task in fresh.items()})
    new = tuple(_new_task(fresh[task_id], projects, caps) for task_id in order)
    plan.operations.append(CreateTasks(tasks=new, actor=ACTOR))
    plan.new["tasks"] += len(new)
    plan.notes.extend(f"task {task.source_id}: {task.note}" for task in fresh.values() if task.note)


def _problem_of(task: ForeignTask, projects: Mapping[str, str | None], swarms: Mapping[str, str | None]) -> str:
    if len(task.prompt.encode()) > limits.PROMPT_BYTES:
        return f"its text has more than {limits.PROMPT_BYTES:,} bytes"
    if not task.prompt.strip():
        return "it has no text"
    if len(task.labels) > limits.LABELS or any(len(label) > limits.LABEL_CHARS for label in task.labels):
        return f"it has more than {limits.LABELS} tags, or one of more than {limits.LABEL_CHARS} characters"
    if len(task.depends_on) > limits.DEPENDENCIES:
        return f"it waits for more than {limits.DEPENDENCIES:,} tasks"
    if task.project_id is not None and projects.get(task.project_id) is None:
        return "its project cannot be imported"
    if task.swarm_id is not None and swarms.get(task.swarm_id) is None:
        return "its swarm cannot be imported"
    return ""


def _refuse_task(plan: Plan, task: ForeignTask, reason: str) -> None:
    plan.refuse("tasks", task.source_id, reason, title=task.title, prompt=task.prompt, dependsOn=list(task.depends_on))


def _new_task(task: ForeignTask, projects: Mapping[str, str | None], caps: RootCaps) -> NewTask:
    spec = TaskSpec(
        id=task.id,
        title=_title(task),
        prompt=task.prompt,
        requires=_requirements(task),
        labels=task.labels,
        harness=task.harness if task.harness in HARNESSES else None,  # another one's agent runs its own
        model=task.model,
        project_id=projects[task.project_id] if task.project_id else None,
        priority=task.priority,
        timeout=task.timeout,
    )
    return NewTask(
        spec=spec,
        edges=tuple(Edge(upstream_id=one) for one in task.depends_on),
        backlog=task.is_backlog,
        budgets=root_budgets(task.id, caps),
    )


def _requirements(task: ForeignTask) -> Requirements:
    """A task of a swarm runs on an agent of it that fits one of its tags, as one that is filed there does."""
    return Requirements(
        capabilities=frozenset({f"harness.{task.harness}"}),
        agent_id=task.agent_id,
        swarm_id=task.swarm_id,
        any_tag=frozenset(task.labels if task.swarm_id else ()),
    )


def _title(task: ForeignTask) -> str:
    title = task.title or next(" ".join(line.split()) for line in task.prompt.splitlines() if line.strip())
    return title if len(title) <= limits.TITLE_CHARS else f"{title[: limits.TITLE_CHARS - 1]}…"
