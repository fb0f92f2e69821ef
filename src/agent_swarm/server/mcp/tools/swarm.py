"""Who one is, and who else is there."""

from typing import Any

from agent_swarm.domain.notes import THE_SWARM
from agent_swarm.protocol import limits
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Cursor, Nothing
from agent_swarm.services import agents, projects, readings
from agent_swarm.services.budgets import left_of
from agent_swarm.services.swarms import view
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.base import Queries
from agent_swarm.store.families.swarms import living_swarm

EVERYBODY = {"name": THE_SWARM}  # who is in no swarm sees the server as a whole
_RULES = (
    "Work on your own task only: get-task-details without arguments shows it.",
    "Say how far you are with store-progress, and once, at the end, what came of it.",
    "What you commit in your workspace is pushed for you when you end.",
)
_LEAD_RULES = ("Hand work to others with send-task; wait-for-tasks stops you until all of them have ended.",)


class GetSwarm(Nothing):
    """Arguments of get-swarm."""

    cursor: Cursor | None = None


class SwarmTools:
    """Parses, calls `services`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store

    async def join(self, _: Nothing, caller: Caller) -> dict[str, Any]:
        """Whoever has a token is in; this says what that means."""
        identity = caller.identity
        rules = _RULES + (_LEAD_RULES if identity.may(Scope.CHILDREN_CREATE) else ()) if identity.task_id else ()
        return {"swarm": await self._swarm(identity), **await self._about(identity), "rules": rules}

    async def my_info(self, _: Nothing, caller: Caller) -> dict[str, Any]:
        """The caller's own record, task and scopes."""
        return {**await self._about(caller.identity), "scopes": sorted(caller.identity.scopes)}

    async def get(self, asked: GetSwarm, caller: Caller) -> dict[str, Any]:
        """The swarm of the caller's task, its agents by name, and what they may work on."""
        own, now = caller.identity.swarm_id, self._store.now()
        listed = await self._store.read(
            agents.list_agents(swarm=own, cursor=asked.cursor, limit=limits.PAGE_DEFAULT, now=now)
        )
        known = await self._store.read(projects.list_projects(cursor=None, limit=limits.PAGE_DEFAULT))
        return {
            "swarm": await self._swarm(caller.identity),
            "agents": [_short(agent.model_dump(mode="json", by_alias=True)) for agent in listed.agents],
            "nextCursor": listed.next_cursor,
            "projects": [{"name": project.name, "id": project.id} for project in known.projects],
        }

    async def _swarm(self, identity: Identity) -> dict[str, Any]:
        if identity.swarm_id is None:
            return EVERYBODY
        found = view(await self._store.read(lambda queries: living_swarm(queries, str(identity.swarm_id))))
        return found.model_dump(mode="json", by_alias=True, include={"id", "name", "status", "project_id"})

    async def _about(self, identity: Identity) -> dict[str, Any]:
        if identity.agent_id is None or identity.task_id is None:
            return {"you": {"actor": identity.actor, "kind": identity.kind.value}}
        agent = await self._store.read(agents.get_agent(identity.agent_id, now=self._store.now()))
        task = await self._store.read(readings.task_detail(identity.task_id, by=identity))
        left = await self._store.read(lambda queries: self._left(queries, identity))
        return {
            "you": _short(agent.model_dump(mode="json", by_alias=True)),
            "budgets": left or None,
            "task": {"id": task.id, "title": task.title, "status": task.status, "attempt": task.attempt},
        }

    def _left(self, queries: Queries, identity: Identity) -> list[dict[str, Any]]:
        """What the caller's attempt may still spend."""
        record = queries.task(identity.task_id or "")
        return [] if record is None else left_of(queries, record.spec, identity.agent_id, self._store.now())


_SHOWN = (
    "id",
    "name",
    "status",
    "agentRole",
    "role",
    "description",
    "harness",
    "skills",
    "tags",
    "capacity",
    "currentTasks",
)


def _short(agent: dict[str, Any]) -> dict[str, Any]:
    return {name: agent[name] for name in _SHOWN}


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = SwarmTools(context)
    everyone = operators_and_attempts(Scope.TASKS_READ, Scope.OWN_TASK_READ)
    return [
        Tool(
            name="join-swarm",
            description="Say hello: who you are here, your task, and how to work. Changes nothing.",
            takes=Nothing,
            access=everyone,
            call=face.join,
            is_reading=True,
        ),
        Tool(
            name="my-agent-info",
            description="Your agent record, the task you work on, and what your token may do.",
            takes=Nothing,
            access=everyone,
            call=face.my_info,
            is_reading=True,
        ),
        Tool(
            name="get-swarm",
            description="Your swarm, its agents (idle, busy, offline; skills, current tasks), and the projects.",
            takes=GetSwarm,
            access=operators_and_attempts(Scope.AGENTS_READ),
            call=face.get,
            is_reading=True,
        ),
    ]
