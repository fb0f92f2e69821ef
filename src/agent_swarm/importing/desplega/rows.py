"""Rows of desplega-ai/agent-swarm as values of ours. Pure; what cannot be read is kept, row by row."""

from collections.abc import Iterator, Mapping

from agent_swarm.importing.desplega.database import KEPT, SYSTEM, Tables
from agent_swarm.importing.desplega.schedules import understood_schedules
from agent_swarm.importing.desplega.secrets import opened, require_key
from agent_swarm.importing.fields import Row, Unreadable, flag, text, texts, whole
from agent_swarm.importing.foreign import (
    Foreign,
    ForeignAgent,
    ForeignEntry,
    ForeignProject,
    ForeignTask,
    our_id,
)
from agent_swarm.importing.rows import Collected

ENDED = frozenset({"completed", "failed", "cancelled", "superseded"})
OPEN = {
    "backlog": "",
    "unassigned": "",
    "pending": "",
    "offered": "it was offered to one agent, and is for all now",
    "reviewing": "it was offered to one agent, and is for all now",
    "in_progress": "it was under way, and begins anew",
    "paused": "it was paused, and begins anew",
}
ADDRESSED = ("pending", "in_progress", "paused")
HARNESSES = {"": "claude", "claude-managed": "claude"}  # `harness_provider`, where ours has another name
SCOPES = {"global": "global", "agent": "agent", "repo": "project"}


def understood(tables: Tables, key: bytes | None) -> Foreign:
    """All of it. Raises WrongKey before anything else."""
    entries = tables.rows.get("swarm_config", ())
    require_key(entries, key)
    collected = Collected()
    agents = collected.each(tables.rows.get("agents", ()), "agents", _agent)
    projects = collected.each(tables.rows.get("swarm_repos", ()), "swarm_repos", _project)
    tasks, counted = _tasks(tables, {agent.id: agent for agent in agents}, projects, collected)
    schedules = understood_schedules(tables.rows.get("scheduled_tasks", ()), agents, collected)
    read = collected.each(entries, "swarm_config", lambda row: _entry(row, key), shown=_without_value)
    for table in KEPT:
        collected.homeless(table, tables.rows.get(table, ()))
    return Foreign(
        system=SYSTEM,
        agents=tuple(agents),
        projects=tuple(projects),
        tasks=tuple(tasks),
        schedules=tuple(schedules),
        entries=tuple(read),
        kept=tuple(collected.kept),
        notes=tuple(f"{name}: {number:,} rows are not imported" for name, number in tables.others.items()),
        counted=counted,
    )


def _agent(row: Row) -> ForeignAgent:
    source = text(row, "id")
    return ForeignAgent(
        id=our_id(SYSTEM, "agent", source),
        name=text(row, "name"),
        is_lead=flag(row, "isLead"),
        role=text(row, "role", ""),
        skills=texts(row, "capabilities"),
        description=text(row, "description", ""),
        harness=_harness(row),
        slots=whole(row, "maxTasks", 1, least=1, most=100),
    )


def _harness(row: Row) -> str:
    told = text(row, "harness_provider", "") or text(row, "provider", "")
    return HARNESSES.get(told, told)


def _project(row: Row) -> ForeignProject:
    return ForeignProject(
        id=our_id(SYSTEM, "project", text(row, "id")),
        name=text(row, "name"),
        repo_url=text(row, "url"),
        branch=text(row, "defaultBranch", ""),
    )


def _entry(row: Row, key: bytes | None) -> ForeignEntry:
    scope, value = SCOPES.get(text(row, "scope")), text(row, "value", "")
    if scope is None:
        raise Unreadable("scope is none of global, agent, repo")
    is_closed, is_secret = flag(row, "encrypted"), flag(row, "isSecret")
    source = text(row, "scopeId", "")
    if (scope == "global") == bool(source):
        raise Unreadable("scopeId does not go with its scope")
    return ForeignEntry(
        scope=scope,
        scope_id=our_id(SYSTEM, scope, source) if source else "",
        key=text(row, "key"),
        value=opened(value, key or b"") if is_closed else value,
        is_secret=is_secret or is_closed,
        was_plain=is_secret and not is_closed,
        description=text(row, "description", ""),
    )


# --- tasks ------------------------------------------------------------------------------------------------------------


def _tasks(
    tables: Tables, agents: Mapping[str, ForeignAgent], projects: list[ForeignProject], collected: Collected
) -> tuple[list[ForeignTask], dict[str, int]]:
    rows = tables.rows.get("agent_tasks", ())
    statuses = {str(row.get("id")): str(row.get("status")) for row in rows}
    return collected.unfinished("agent_tasks", rows, lambda row: _task(row, statuses, agents, projects), ended=ENDED)


def _task(
    row: Row, statuses: Mapping[str, str], agents: Mapping[str, ForeignAgent], projects: list[ForeignProject]
) -> ForeignTask:
    source, status = text(row, "id"), text(row, "status")
    if status not in OPEN:
        raise Unreadable("status is none that is known")
    told = text(row, "agentId", "")
    agent_id = our_id(SYSTEM, "agent", told) if told and status in ADDRESSED else None
    if agent_id is not None and agent_id not in agents:
        raise Unreadable("agentId names an agent that is not there")
    runs_on = agents[agent_id].harness if agent_id else ""
    return ForeignTask(
        id=our_id(SYSTEM, "task", source),
        source_id=source,
        prompt=text(row, "task"),
        title=" ".join(text(row, "title", "").split()),
        priority=whole(row, "priority", 50, least=0, most=100),
        labels=texts(row, "tags"),
        depends_on=tuple(_upstreams(row, statuses)),
        agent_id=agent_id,
        project_id=_project_of(text(row, "vcsRepo", ""), projects),
        harness=HARNESSES.get(told := text(row, "provider", ""), told) if row.get("provider") else runs_on or "claude",
        model=text(row, "model", "") or None,
        is_backlog=status == "backlog",
        note=OPEN[status],
    )


def _upstreams(row: Row, statuses: Mapping[str, str]) -> Iterator[str]:
    for upstream in texts(row, "dependsOn"):
        match statuses.get(upstream):
            case "completed":
                continue
            case None:
                raise Unreadable(f"dependsOn names a task that is not there: {upstream}")
            case status if status in ENDED:
                raise Unreadable(f"it waits for task {upstream}, which is {status}")
            case _:
                yield our_id(SYSTEM, "task", upstream)


def _project_of(repository: str, projects: list[ForeignProject]) -> str | None:
    """The project that a task was about: `owner/name`, or the name."""
    for project in projects:
        address = project.repo_url.removesuffix(".git")
        if repository and (project.name == repository or address.endswith((f"/{repository}", f":{repository}"))):
            return project.id
    return None


def _without_value(row: Row) -> Row:
    """An entry without what may be a secret in plain text."""
    return {**row, "value": row.get("value") if flag(row, "encrypted") else "(left in the source)"}
