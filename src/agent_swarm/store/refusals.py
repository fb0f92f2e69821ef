"""What operations are refused with, worded once for all stores."""

from agent_swarm.domain.budgets import Budget, words_of
from agent_swarm.domain.caps import Cap
from agent_swarm.domain.errors import (
    AgentStopped,
    AlreadyExists,
    BudgetExhausted,
    CannotBeEnforced,
    CannotTake,
    CapReached,
    IdempotencyMismatch,
    IllegalTransition,
    NotFound,
    ResultConflict,
    Superseded,
    UnknownReference,
)
from agent_swarm.domain.matching import Gap
from agent_swarm.domain.permissions import Profile
from agent_swarm.domain.tasks import TaskState, TaskStatus, verbs_of
from agent_swarm.store.operations import Idempotency
from agent_swarm.store.records import AgentRecord, ProjectRecord


def unknown_agent(agent_id: str) -> NotFound:
    """The agent never registered."""
    return NotFound(f"no agent has the id {agent_id!r}", hint="register first", details={"agentId": agent_id})


def superseded(agent_id: str) -> Superseded:
    """A newer process runs under this AGENT_ID (rule T11)."""
    return Superseded(
        f"a newer process runs under AGENT_ID {agent_id!r}",
        hint="give every worker an AGENT_ID of its own; this process has to stop",
        details={"agentId": agent_id},
    )


def budget_exhausted(budget: Budget) -> BudgetExhausted:
    """An agent may begin nothing: its own budget has no room."""
    return BudgetExhausted(
        f"budget {budget.name!r} of agent {budget.scope_id!r} has no room for another attempt: {words_of(budget)}",
        hint="raise it: agent-swarm budget set",
        details={"budgetId": budget.id, "name": budget.name},
    )


def unknown_profile_version(agent_id: str, number: int) -> NotFound:
    """The profile has no such version."""
    return NotFound(
        f"the profile of agent {agent_id!r} has no version {number}",
        hint="list them with: agent-swarm agent profile versions",
        details={"agentId": agent_id, "version": number},
    )


def agent_exists(agent_id: str) -> AlreadyExists:
    """Another agent has this id."""
    return AlreadyExists(
        f"an agent with the id {agent_id!r} exists", hint="leave the id out", details={"agentId": agent_id}
    )


def agent_stopped(agent: AgentRecord) -> AgentStopped:
    """It gets no work."""
    reason = f": {agent.stop_reason}" if agent.stop_reason else ""
    return AgentStopped(
        f"agent {agent.name!r} is stopped{reason}",
        hint=f"let it work again: agent-swarm agent start {agent.profile.id}",
        details={"agentId": agent.profile.id, "by": agent.stopped_by, "reason": agent.stop_reason},
    )


def project_exists(project: ProjectRecord) -> AlreadyExists:
    """Another repository has this name."""
    return AlreadyExists(
        f"project {project.name!r} exists with another repository",
        hint="choose another name",
        details={"projectId": project.id, "name": project.name},
    )


def task_exists(task_id: str) -> AlreadyExists:
    """Ids are made once; two creations met."""
    return AlreadyExists(f"a task with the id {task_id!r} exists", details={"taskId": task_id})


def unknown_reference(field: str, kind: str, value: str) -> UnknownReference:
    """The input names something that does not exist."""
    return UnknownReference(
        f"{field} names {kind} {value!r}, which does not exist",
        hint=f"create the {kind} first, or correct {field}",
        details={"field": field, "value": value},
    )


_CAPPED = {
    Cap.DEPTH: "tasks that agents file may be {limit} levels below the root task; below {of!r} it is deeper",
    Cap.CHILDREN: "agents may file {limit} tasks directly below a task, and task {of!r} has as many",
    Cap.TASKS_PER_ROOT: "agents may file {limit} tasks below a root task, and root task {of!r} has as many",
    Cap.OPEN_PER_AGENT: "an agent may have filed {limit} tasks that have not ended, and {of} has as many",
}
_ROOM = {
    Cap.DEPTH: "file it further up",
    Cap.CHILDREN: "do the rest in this task, or file it below another one",
    Cap.TASKS_PER_ROOT: "do the rest in the tasks there are",
    Cap.OPEN_PER_AGENT: "wait until some have ended",
}


def cap_reached(cap: Cap, limit: int, *, of: str) -> CapReached:
    """An agent would file more than it may."""
    return CapReached(
        _CAPPED[cap].format(limit=limit, of=of),
        hint=f"{_ROOM[cap]}; an operator can raise {cap.setting}",
        details={"cap": cap.value, "limit": limit, "of": of, "setting": cap.setting},
    )


def cannot_be_enforced(agent: AgentRecord, profile: Profile, missing: list[str]) -> CannotBeEnforced:
    """An agent's worker lacks what its permission profile needs."""
    return CannotBeEnforced(
        f"agent {agent.profile.id!r} has to run under permission profile {profile.name!r}, which its worker cannot "
        f"enforce: it does not offer {', '.join(missing)}",
        hint="run the worker where bubblewrap works (agent-swarm doctor), or give the agent another profile",
        details={"agentId": agent.profile.id, "profile": profile.name, "missing": missing},
    )


def cannot_take(agent: AgentRecord, lacks: Gap, *, field: str) -> CannotTake:
    """A task is offered to an agent that could not run it."""
    missing = [*lacks.missing_tags, *lacks.missing_capabilities]
    if lacks.wanted_tags:
        missing.append(f"one of {', '.join(lacks.wanted_tags)}")
    why = "the task is addressed to another agent" if lacks.other_agent else f"it lacks {', '.join(missing)}"
    return CannotTake(
        f"{field} names agent {agent.name!r} ({agent.profile.id}), which could not run the task: {why}",
        hint="offer it to an agent that has what the task requires",
        details={"field": field, "agentId": agent.profile.id, "missing": missing},
    )


def idempotency_mismatch(asked: Idempotency) -> IdempotencyMismatch:
    """The key was used for another request."""
    return IdempotencyMismatch(
        f"Idempotency-Key {asked.key!r} was used with another body",
        hint="send the first body again, or use a new key",
        details={"idempotencyKey": asked.key},
    )


def unknown_attempt(task_id: str, number: int) -> NotFound:
    """The task has no such attempt."""
    return NotFound(
        f"task {task_id!r} has no attempt {number}",
        hint="attempts are counted from 1",
        details={"taskId": task_id, "attempt": number},
    )


def another_outcome(task_id: str, fence: int) -> ResultConflict:
    """The attempt's agent has already said something else."""
    return ResultConflict(
        f"this attempt of task {task_id!r} has already stated another outcome",
        hint="the first one counts; end the run, or say more with progress",
        details={"taskId": task_id, "fence": fence},
    )


def require_editable(state: TaskState) -> None:
    """Raises IllegalTransition where somebody has the task, or was told of it, or it has ended."""
    if state.status not in (TaskStatus.BACKLOG, TaskStatus.BLOCKED, TaskStatus.PENDING):
        raise IllegalTransition(state.id, status=state.status, command="edit", allowed=verbs_of(state.status))


def require_open(state: TaskState, command: str) -> None:
    """Raises IllegalTransition where the task has ended."""
    if state.is_terminal:
        raise IllegalTransition(state.id, status=state.status, command=command, allowed=verbs_of(state.status))
