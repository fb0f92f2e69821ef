"""Swarms in the words of the Swarm plugin: make, list, show and delete them, and everything at a glance."""

from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol import rest_plugin as rest
from agent_swarm.protocol.limits import PAGE_MAX
from agent_swarm.protocol.rest_swarms import SwarmInput
from agent_swarm.services import cursors
from agent_swarm.services.plugin import looks, views
from agent_swarm.services.plugin.chat import recent
from agent_swarm.services.swarms import Swarms
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.swarms import SWARM_NAMES, SWARMS


class PluginSwarms:
    """The swarms of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._swarms = Swarms(store)

    async def page(self, *, cursor: str | None, limit: int) -> rest.PluginSwarmPage:
        """A page of the swarms that are there, by name."""
        after = cursors.read_words(cursor, 1)

        def reading(queries: Queries) -> rest.PluginSwarmPage:
            found = queries.scan(SWARM_NAMES, after=after, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_words(one.name))
            known = [swarm for one in shown if (swarm := queries.record(SWARMS, one.swarm_id)) is not None]
            return rest.PluginSwarmPage(swarms=[views.swarm(one) for one in known], next_cursor=following)

        return await self._store.read(reading)

    async def create(self, wanted: rest.PluginSwarmInput, *, by: Identity) -> rest.PluginSwarm:
        """Make a swarm. Raises as `Swarms.create`."""
        made = await self._swarms.create(SwarmInput(name=wanted.name, project=wanted.project), by=by)
        return await self.get(made.id)

    async def get(self, named: str) -> rest.PluginSwarm:
        """A swarm that is there. Raises NotFound."""
        return await self._store.read(lambda queries: views.swarm(looks.there(queries, named)))

    async def delete(self, named: str, *, by: Identity) -> rest.PluginSwarm:
        """Cancel what is still to be done in a swarm, let its sandboxes go, and have it be no more."""
        deleted = await self._swarms.delete(named, cancel_tasks=True, by=by)
        found = await self._store.read(lambda queries: queries.record(SWARMS, deleted.id))
        assert found is not None  # it is kept for the history
        return views.swarm(found)

    async def status(self, named: str) -> rest.PluginStatus:
        """A swarm with its agents, its tasks by status, its last messages and its project. Raises NotFound."""
        now = self._store.now()

        def reading(queries: Queries) -> rest.PluginStatus:
            swarm = looks.there(queries, named)
            agents = queries.agents(swarm_id=swarm.id)
            counts = queries.counts(swarm.id)
            project = queries.project(swarm.project_id) if swarm.project_id else None
            return rest.PluginStatus(
                swarm=views.swarm(swarm),
                sandboxes=len(agents),
                agents=looks.shown_agents(queries, agents[:PAGE_MAX], now),
                tasks={status.value: counts.get(status, 0) for status in TaskStatus},
                recent_chat=[views.message(message) for message in recent(queries, swarm)],
                project=None if project is None else views.project(project),
            )

        return await self._store.read(reading)
