"""Projects in the words of the Swarm plugin, and their copies in sandboxes: every worker brings its own up to date.

Nobody pulls: a worker fetches into the copy that its attempts begin from, each on a branch of its own, and reports how
the runs on it stand.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agent_swarm.domain.errors import Conflict, NotFound, TooLarge
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.swarms import Swarm
from agent_swarm.protocol import rest_plugin as rest
from agent_swarm.protocol.rest import ProjectInput
from agent_swarm.protocol.rest_swarms import SwarmPatch
from agent_swarm.services import cursors, projects
from agent_swarm.services import views as common
from agent_swarm.services.plugin import looks, views
from agent_swarm.services.swarms import Swarms
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.project_copies import PROJECT_COPIES, REPORTED, AskForCopies
from agent_swarm.store.families.swarms import SWARM_NAMES, SWARMS, living_swarm
from agent_swarm.store.records import AgentRecord, ProjectRecord

Action = Literal["init", "sync"]
_MOST_SWARMS = 1_000


@dataclass(frozen=True, slots=True)
class _Asked:
    project: ProjectRecord
    online: tuple[AgentRecord, ...]
    offline: tuple[AgentRecord, ...]


class Copies:
    """The projects of one store, and what the workers have of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._swarms = Swarms(store)

    async def page(self, *, cursor: str | None, limit: int) -> rest.PluginProjectPage:
        """A page of the projects, by name."""
        after = cursors.read_name(cursor)

        def reading(queries: Queries) -> rest.PluginProjectPage:
            found = queries.projects(after=after, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_name(one.name, one.id))
            return rest.PluginProjectPage(projects=[views.project(one) for one in shown], next_cursor=following)

        return await self._store.read(reading)

    async def create(self, wanted: rest.PluginProjectInput, *, by: Identity) -> rest.PluginProject:
        """Add a project, and give it to a swarm. Raises InvalidInput, AlreadyExists, UnknownReference."""
        swarm_name = wanted.swarm
        if swarm_name is not None:
            await self._store.read(lambda queries: living_swarm(queries, swarm_name))
        asked = ProjectInput.model_validate(
            {"name": wanted.name, "repoUrl": wanted.git_url, "defaultBranch": wanted.branch}
        )
        created = await self._store.apply(projects.create_project(asked, by=by))
        if swarm_name is not None:
            await self._swarms.change(swarm_name, SwarmPatch(project=created.id), by=by)
        return views.project(created)

    async def of_swarm(self, named: str) -> rest.PluginSwarmProject:
        """A swarm's project, and what its sandboxes last reported. Raises NotFound, also where it has none."""

        def reading(queries: Queries) -> rest.PluginSwarmProject:
            swarm = looks.there(queries, named)
            project = queries.project(swarm.project_id) if swarm.project_id else None
            if project is None:
                raise NotFound(
                    f"swarm {swarm.name!r} has no project",
                    hint="give it one: POST /projects with swarm, or agent-swarm swarm project create",
                    details={"swarmId": swarm.id},
                )
            agents = queries.agents(swarm_id=swarm.id, limit=rest.SANDBOXES)
            copies = [views.copy(one, queries.record(PROJECT_COPIES, one.profile.id, project.id)) for one in agents]
            return rest.PluginSwarmProject(**views.project_fields(project), sandboxes=copies)

        return await self._store.read(reading)

    async def bring_up_to_date(
        self, named: str, action: Action, wanted: rest.PluginSyncInput, *, by: Identity
    ) -> rest.PluginSyncReport:
        """Have every sandbox fetch, all at once, and wait for their reports; `waiting` says that one did not come.

        Raises NotFound, UnknownReference, Conflict where no swarm has the project, TooLarge.
        """
        now = self._store.now()
        asked = await self._store.read(lambda queries: _whom(queries, named, wanted.swarm, now))
        request_id = new_id()
        ids = tuple(one.profile.id for one in asked.online)
        with _Reports(self._store, request_id, set(ids)) as reports:
            if ids:
                operation = AskForCopies(
                    project=asked.project, agent_ids=ids, request_id=request_id, action=action, actor=by.actor
                )
                await self._store.apply(operation)
                await reports.wait(wanted.wait_seconds)
        return await self._store.read(lambda queries: _report(queries, asked, action))


class _Reports:
    """Waits until all of some agents have reported to one request, on whichever server they did."""

    def __init__(self, store: Store, request_id: str, missing: set[str]) -> None:
        self._store = store
        self._request_id = request_id
        self._missing = missing
        self._complete = asyncio.Event()
        self._end: Callable[[], None] = lambda: None

    def __enter__(self) -> "_Reports":
        self._end = self._store.subscribe(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._complete.wait()
        except TimeoutError:
            return

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            if event.type == REPORTED and event.data.get("requestId") == self._request_id:
                self._missing.discard(str(event.data.get("agentId")))
        if not self._missing:
            self._complete.set()


def _whom(queries: Queries, named: str, swarm: str | None, now: int) -> _Asked:
    project = projects.require_project(queries, named)
    swarms = [living_swarm(queries, swarm)] if swarm else _swarms_with(queries, project.id)
    if not swarms:
        raise Conflict(
            f"no swarm works on project {project.name!r}, so there are no sandboxes to reach",
            hint="name a swarm, or give one the project: POST /projects with swarm",
            details={"projectId": project.id},
        )
    agents = [one for found in swarms for one in queries.agents(swarm_id=found.id, limit=rest.SANDBOXES + 1)]
    if len(agents) > rest.SANDBOXES:
        raise TooLarge(
            f"more than {rest.SANDBOXES} sandboxes would be asked at once",
            hint="name one swarm after the other",
            details={"limit": rest.SANDBOXES},
        )
    is_online = {one.profile.id: common.agent_status(one, is_busy=False, now=now) != "offline" for one in agents}
    return _Asked(
        project,
        online=tuple(one for one in agents if is_online[one.profile.id]),
        offline=tuple(one for one in agents if not is_online[one.profile.id]),
    )


def _swarms_with(queries: Queries, project_id: str) -> list[Swarm]:
    names = queries.scan(SWARM_NAMES, limit=_MOST_SWARMS)
    found = (queries.record(SWARMS, one.swarm_id) for one in names)
    return [one for one in found if one is not None and one.project_id == project_id]


def _report(queries: Queries, asked: _Asked, action: Action) -> rest.PluginSyncReport:
    shown = [views.copy(one, queries.record(PROJECT_COPIES, one.profile.id, asked.project.id)) for one in asked.online]
    shown += [views.copy(one, None, offline=True) for one in asked.offline]
    return rest.PluginSyncReport(
        project_id=asked.project.id,
        action=action,
        ok=all(one.ok for one in shown),
        sandboxes=sorted(shown, key=lambda one: (one.name, one.sandbox_id)),
    )
