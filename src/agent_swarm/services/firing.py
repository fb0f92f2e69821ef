"""What a schedule starts becomes an operation: checked as if its maker filed it now, whoever that was.

What does not fit any more (a project that is gone, a profile that is narrower by now) is the problem of that run, and
told as such; it never stops anything else.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from agent_swarm.domain.errors import Denied, InvalidInput, SwarmError
from agent_swarm.domain.matching import AgentRole
from agent_swarm.protocol import limits, rest
from agent_swarm.protocol.rest_workflows import WorkflowRunInput
from agent_swarm.services import task_references, tasks
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity, Scope, scopes_of
from agent_swarm.services.workflow_starting import run_of
from agent_swarm.store.base import Queries
from agent_swarm.store.families.schedules import SCHEDULE_WORK, Schedule
from agent_swarm.store.operations import Asked, CreateTasks, FireSchedule, Problem
from agent_swarm.store.records import TokenKind


def firing_of(schedule: Schedule, rules: Rules, *, asked: Asked | None = None) -> Callable[[Queries], FireSchedule]:
    """A reading: the operation that does what is due of a schedule, as it was read.

    Where `asked`, what does not fit raises its refusal; else it is the operation's problem.
    """

    def reading(queries: Queries) -> FireSchedule:
        try:
            create = filing(queries, _stored(queries, schedule), by=maker_of(schedule), rules=rules)
        except SwarmError as refused:
            if asked is not None:
                raise
            problem = Problem(code=refused.code, message=refused.message)
            return FireSchedule(schedule_id=schedule.id, version=schedule.version, problem=problem)
        return FireSchedule(
            schedule_id=schedule.id,
            version=schedule.version,
            tasks=create.tasks,
            capped=create.capped,
            asked=asked,
        )

    return reading


def filing(queries: Queries, starts: Mapping[str, Any], *, by: Identity, rules: Rules) -> CreateTasks:
    """What files the stored work of a schedule or a trigger now. Raises what filing it by hand raises."""
    if "workflow" in starts:
        return CreateTasks(tasks=run_of(queries, _parsed_workflow(starts), by=by, rules=rules), actor=by.actor)
    wanted = _parsed(starts)
    known = task_references.look_up(wanted, by=by, profiles=rules.profiles)(queries)
    if known.own is not None and not known.own.profile.may_file:
        raise Denied(
            f"the permission profile {known.own.profile.name!r} of the agent that made this lets it file no tasks",
            hint="have a person make it, or give the agent another profile",
        )
    if "task" in starts:
        return tasks.create_task(wanted[0], known, by=by, rules=rules)
    return tasks.create_graph(wanted, known, by=by, rules=rules).operation


def maker_of(schedule: Schedule) -> Identity:
    """Whoever made the schedule, as if that one filed now: an agent below the task it had, with its caps.

    Whether a person may have scripts of workflows run was looked at when the schedule was made, and is not again.
    """
    is_agent = schedule.task_id is not None
    kind = TokenKind.ATTEMPT if is_agent else TokenKind.OPERATOR
    scopes = scopes_of(kind, AgentRole.LEAD) if is_agent else (Scope.TASKS_WRITE.value, Scope.WORKFLOWS_ADMIN.value)
    return Identity(
        kind=kind,
        token_id=f"schedule:{schedule.id}",
        scopes=frozenset(scopes),
        agent_id=schedule.agent_id,
        task_id=schedule.task_id,
        owner=schedule.created_by,
    )


def starts_of(
    task: rest.TaskInput | None, graph: list[rest.BatchTaskInput] | None, workflow: WorkflowRunInput | None = None
) -> dict[str, Any]:
    """What is started, as it is stored. Raises InvalidInput unless exactly one of the three is given."""
    if sum(one is not None for one in (task, graph, workflow)) != 1:
        raise InvalidInput(
            "a schedule starts one of task, tasks and workflow",
            hint="send `task` for one, `tasks` for a graph, or `workflow` with its `source`",
            details={"field": "task"},
        )
    plain = {"mode": "json", "by_alias": True, "exclude_unset": True}
    if task is not None:
        return {"task": task.model_dump(**plain)}  # type: ignore[arg-type]  # as pydantic names them
    if workflow is not None:
        return {"workflow": workflow.model_dump(**plain)}  # type: ignore[arg-type]
    return {"tasks": [one.model_dump(**plain) for one in graph or ()]}  # type: ignore[arg-type]


def _stored(queries: Queries, schedule: Schedule) -> Mapping[str, Any]:
    work = queries.record(SCHEDULE_WORK, schedule.id)
    return {} if work is None else work.starts


def _parsed(starts: Mapping[str, Any]) -> list[rest.BatchTaskInput]:
    """The work as its input; what an older version stored and this one does not take any more is refused."""
    sent = [starts["task"]] if "task" in starts else starts.get("tasks", [])
    try:
        wanted = [rest.BatchTaskInput.model_validate(one) for one in sent[: limits.BATCH_TASKS]]
    except ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise InvalidInput(f"what is to be started does not fit: {where} {problem['msg']}") from None
    if not wanted:
        raise InvalidInput("the schedule starts nothing", hint="give it a task")
    return wanted


def _parsed_workflow(starts: Mapping[str, Any]) -> WorkflowRunInput:
    try:
        return WorkflowRunInput.model_validate(starts["workflow"])
    except ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(f"the workflow that the schedule starts does not fit: {problem['msg']}") from None
