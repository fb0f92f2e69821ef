"""Records of the Swarm plugin as values of ours. Pure.

Its ids are texts such as `task-123`, which may repeat in another swarm; ours are derived from the swarm's id and
theirs, so that the same record is the same thing at every import.
"""

from collections.abc import Iterator, Mapping

from agent_swarm.domain.priority import DEFAULT_PRIORITY, PRIORITY_NAMES
from agent_swarm.domain.time import SECOND
from agent_swarm.importing.fields import Row, Unreadable, first_text, text, texts, whole
from agent_swarm.importing.foreign import (
    Foreign,
    ForeignAgent,
    ForeignProject,
    ForeignSwarm,
    ForeignTask,
    our_id,
)
from agent_swarm.importing.plugin.chats import SYSTEM, said, swarm_id_of
from agent_swarm.importing.plugin.folders import CREDENTIALS, Folders
from agent_swarm.importing.rows import Collected
from agent_swarm.protocol.rest_plugin import EXEC_SECONDS

EXEC_TIME = int(EXEC_SECONDS * SECOND)
ENDED = frozenset({"completed", "failed", "cancelled"})
OPEN = {
    "pending": "",
    "blocked": "",
    "claimed": "it was claimed, and begins anew",
    "running": "it was under way, and begins anew",
}


def understood(folders: Folders) -> Foreign:
    """All of it."""
    collected = Collected()
    agents = collected.each(folders.rows["agents"], "agents", _agent)
    projects = collected.each(folders.rows["projects"], "projects", _project)
    swarms = collected.each(folders.rows["swarms"], "swarms", _swarm)
    tasks, counted = _tasks(folders, {project.id for project in projects}, collected)
    for unread in folders.unread:
        collected.problem("files", {"id": unread.place}, unread.reason)
    return Foreign(
        system=SYSTEM,
        agents=tuple(agents),
        projects=tuple(projects),
        swarms=tuple({swarm.id: swarm for swarm in swarms}.values()),
        tasks=tuple(tasks),
        messages=tuple(said(folders.rows["chats"], swarms, collected)),
        kept=tuple(collected.kept),
        notes=(f"{CREDENTIALS} is not read: store what is needed of it by hand",) if folders.has_credentials else (),
        counted=counted,
    )


def _agent(row: Row) -> ForeignAgent:
    source = first_text(row, "sandboxId", "id")
    role = text(row, "role", "")
    return ForeignAgent(
        id=our_id(SYSTEM, "agent", source),
        name=text(row, "name", role or source),
        role=role,
        skills=tuple(dict.fromkeys((*texts(row, "skills"), *texts(row, "tags")))),
        description=text(row, "description", ""),
        harness="claude",
        swarm_id=swarm_id_of(text(row, "swarmId", "")),
    )


def _swarm(row: Row) -> ForeignSwarm:
    source, project = text(row, "id"), first_text(row, "projectId", "project", default="")
    return ForeignSwarm(
        id=swarm_id_of(source) or "",
        source_id=source,
        name=text(row, "name", source),
        project_id=our_id(SYSTEM, "project", project) if project else None,
    )


def _project(row: Row) -> ForeignProject:
    return ForeignProject(
        id=our_id(SYSTEM, "project", text(row, "id")),
        name=text(row, "name"),
        repo_url=first_text(row, "gitUrl", "url"),
        branch=text(row, "branch", ""),
    )


def _tasks(folders: Folders, projects: set[str], collected: Collected) -> tuple[list[ForeignTask], dict[str, int]]:
    rows = folders.rows["tasks"]
    statuses = {_task_id(row, str(row.get("id"))): str(row.get("status", "pending")) for row in rows}
    swarms = _swarms_with_projects(folders)
    return collected.unfinished("tasks", rows, lambda row: _task(row, statuses, projects, swarms), ended=ENDED)


def _task(row: Row, statuses: Mapping[str, str], projects: set[str], swarms: Mapping[str, str | None]) -> ForeignTask:
    source, status = text(row, "id"), text(row, "status", "pending")
    if status not in OPEN:
        raise Unreadable("status is none that is known")
    title, described = text(row, "title"), first_text(row, "description", "prompt", default="")
    named = first_text(row, "projectId", "project", default="")
    swarm = text(row, "swarmId", "")
    project = our_id(SYSTEM, "project", named) if named else swarms.get(swarm)
    lost = f"its swarm {swarm} is not there, it is in none" if swarm and swarm not in swarms else ""
    return ForeignTask(
        id=_task_id(row, source),
        source_id=source,
        prompt=f"{title}\n\n{described}" if described and described != title else title,
        title=" ".join(title.split()),
        priority=_priority(row),
        labels=texts(row, "tags"),
        depends_on=tuple(_upstreams(row, statuses)),
        project_id=project if project in projects else None,
        swarm_id=swarm_id_of(swarm) if swarm in swarms else None,
        timeout=EXEC_TIME if swarm in swarms else None,
        harness="claude",
        note="; ".join(filter(None, (OPEN[status], lost))),
    )


def _task_id(row: Row, source: str) -> str:
    """Tasks are named within their swarm."""
    return our_id(SYSTEM, "task", f"{row.get('swarmId') or ''}/{source}")


def _priority(row: Row) -> int:
    told = row.get("priority")
    if told is None or told == "":
        return DEFAULT_PRIORITY
    if isinstance(told, str) and told.lower() in PRIORITY_NAMES:
        return PRIORITY_NAMES[told.lower()]
    return whole(row, "priority", DEFAULT_PRIORITY, least=0, most=100)


def _upstreams(row: Row, statuses: Mapping[str, str]) -> Iterator[str]:
    for upstream in (*texts(row, "dependsOn"), *texts(row, "depends"), *texts(row, "dependencies")):
        upstream_id = _task_id(row, upstream)
        match statuses.get(upstream_id):
            case "completed":
                continue
            case None:
                raise Unreadable(f"it depends on a task that is not there: {upstream}")
            case status if status in ENDED:
                raise Unreadable(f"it depends on task {upstream}, which is {status}")
            case _:
                yield upstream_id


def _swarms_with_projects(folders: Folders) -> dict[str, str | None]:
    """The swarms by the ids that they have there, each with its project."""
    named = ((str(row.get("id")), row.get("projectId") or row.get("project")) for row in folders.rows["swarms"])
    return {source: our_id(SYSTEM, "project", str(project)) if project else None for source, project in named}
