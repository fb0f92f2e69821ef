"""Records of the Swarm plugin as values of ours. Pure.

Its ids are texts such as `task-123`, which may repeat in another swarm; ours are derived from the swarm's id and
theirs, so that the same record is the same thing at every import.
"""

from collections.abc import Iterator, Mapping

from agent_swarm.domain.priority import DEFAULT_PRIORITY, PRIORITY_NAMES
from agent_swarm.importing.fields import Row, Unreadable, first_text, text, texts, whole
from agent_swarm.importing.foreign import Foreign, ForeignAgent, ForeignProject, ForeignTask, our_id
from agent_swarm.importing.plugin.folders import CREDENTIALS, Folders
from agent_swarm.importing.rows import Collected

SYSTEM = "swarm-plugin"
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
    tasks, counted = _tasks(folders, {project.id for project in projects}, collected)
    for unread in folders.unread:
        collected.problem("files", {"id": unread.place}, unread.reason)
    for name in ("swarms", "chats"):
        collected.homeless(name, folders.rows[name])
    return Foreign(
        system=SYSTEM,
        agents=tuple(agents),
        projects=tuple(projects),
        tasks=tuple(tasks),
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
    swarm_projects = _swarm_projects(folders)
    return collected.unfinished("tasks", rows, lambda row: _task(row, statuses, projects, swarm_projects), ended=ENDED)


def _task(row: Row, statuses: Mapping[str, str], projects: set[str], swarm_projects: Mapping[str, str]) -> ForeignTask:
    source, status = text(row, "id"), text(row, "status", "pending")
    if status not in OPEN:
        raise Unreadable("status is none that is known")
    title, described = text(row, "title"), first_text(row, "description", "prompt", default="")
    named = first_text(row, "projectId", "project", default="")
    project = our_id(SYSTEM, "project", named) if named else swarm_projects.get(text(row, "swarmId", ""))
    return ForeignTask(
        id=_task_id(row, source),
        source_id=source,
        prompt=f"{title}\n\n{described}" if described and described != title else title,
        title=" ".join(title.split()),
        priority=_priority(row),
        labels=texts(row, "tags"),
        depends_on=tuple(_upstreams(row, statuses)),
        project_id=project if project in projects else None,
        harness="claude",
        note=OPEN[status],
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


def _swarm_projects(folders: Folders) -> dict[str, str]:
    """The project of each swarm that has one."""
    return {
        str(row.get("id")): our_id(SYSTEM, "project", str(row["projectId"]))
        for row in folders.rows["swarms"]
        if row.get("projectId")
    }
