"""The agents of a swarm: have them join, say something else of them, stop and start them."""

from agent_swarm.domain.errors import Conflict
from agent_swarm.protocol import rest_plugin as rest
from agent_swarm.protocol.rest_agents import AgentInput
from agent_swarm.protocol.rest_profiles import ProfileInput
from agent_swarm.services import agent_profiles, agent_tree, cursors
from agent_swarm.services.agents import require_agent
from agent_swarm.services.plugin import looks
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.operations import SetSwarmMember
from agent_swarm.store.records import AgentRecord

_TOLD = ("name", "role", "skills", "tags")


class Members:
    """The agents of one store's swarms."""

    def __init__(self, store: Store, redactor: Redactor, rules: Rules) -> None:
        self._store = store
        self._redactor = redactor
        self._rules = rules

    async def page(self, named: str, *, cursor: str | None, limit: int) -> rest.PluginAgentPage:
        """A page of the agents of a swarm, by name. Raises NotFound."""
        after, now = cursors.read_name(cursor), self._store.now()

        def reading(queries: Queries) -> rest.PluginAgentPage:
            swarm = looks.there(queries, named)
            found = queries.agents(swarm_id=swarm.id, after=after, limit=limit + 1)
            shown, following = cursors.page(found, limit, lambda one: cursors.after_name(one.name, one.profile.id))
            return rest.PluginAgentPage(agents=looks.shown_agents(queries, list(shown), now), next_cursor=following)

        return await self._store.read(reading)

    async def register(self, named: str, wanted: rest.PluginAgentInput, *, by: Identity) -> rest.PluginAgent:
        """Have an agent join a swarm, which is introduced where it is not there. Raises NotFound, Conflict, Killed."""

        def reading(queries: Queries) -> tuple[str, AgentRecord | None]:
            known = queries.agent(wanted.sandbox_id) if wanted.sandbox_id else None
            return looks.there(queries, named).id, known

        swarm_id, known = await self._store.read(reading)
        agent_id = wanted.sandbox_id if known is not None and wanted.sandbox_id else await self._introduce(wanted, by)
        told = {name: getattr(wanted, name) for name in _TOLD if name in wanted.model_fields_set}
        await self._tell(agent_id, told, by=by)
        await self._store.apply(SetSwarmMember(swarm_id=swarm_id, agent_id=agent_id, joins=True, actor=by.actor))
        return await self._shown(agent_id)

    async def put(self, agent_id: str, wanted: rest.PluginAgentPatch, *, by: Identity) -> rest.PluginAgent:
        """Say something else of an agent; a status stops or starts it. Raises NotFound, and Conflict before anything
        is changed.
        """
        now = await self._shown(agent_id)
        if wanted.status == "working" and now.status != "working":
            raise Conflict(
                f"agent {agent_id!r} is {now.status}: it works when it has a task",
                hint="file a task in its swarm; a status can be put to offline, and to idle where it was stopped",
                details={"sandboxId": agent_id, "status": now.status},
            )
        told = {name: getattr(wanted, name) for name in _TOLD if getattr(wanted, name) is not None}
        await self._tell(agent_id, told, by=by)
        if wanted.status in ("offline", "stopped") and now.status != "stopped":
            stop = agent_tree.stop_agent(agent_id, self._redactor, recursive=False, reason="put over /agents", by=by)
            await self._store.apply(stop)
        elif wanted.status == "idle" and now.status == "stopped":
            await self._store.apply(agent_tree.start_agent(agent_id, recursive=False, by=by))
        return await self._shown(agent_id)

    async def _introduce(self, wanted: rest.PluginAgentInput, by: Identity) -> str:
        asked = AgentInput.model_validate(
            {"id": wanted.sandbox_id, "name": wanted.name, "role": wanted.role, "skills": wanted.skills}
        )
        adding = agent_tree.add_agent(asked, self._redactor, self._rules, by=by)
        added = await self._store.apply(await self._store.read(adding))
        return added.agent.profile.id

    async def _tell(self, agent_id: str, told: dict[str, object], *, by: Identity) -> None:
        """Put what is new of it into its profile, which counts over what its worker reports."""
        record = await self._store.read(lambda queries: require_agent(queries, agent_id))
        new = {name: value for name, value in told.items() if _said(record, name) != _plain(value)}
        if new:
            asked = ProfileInput.model_validate({"expectedVersion": record.profile_version, **new})
            await self._store.apply(agent_profiles.change_profile(agent_id, asked, self._redactor, by=by))

    async def _shown(self, agent_id: str) -> rest.PluginAgent:
        now = self._store.now()
        return await self._store.read(
            lambda queries: looks.shown_agents(queries, [require_agent(queries, agent_id)], now)[0]
        )


def _said(record: AgentRecord, name: str) -> object:
    return record.name if name == "name" else getattr(record.profile, name)


def _plain(value: object) -> object:
    return frozenset(value) if isinstance(value, list) else value
