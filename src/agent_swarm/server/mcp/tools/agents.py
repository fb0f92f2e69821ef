"""Agents below the caller's own: introduced, stopped and started."""

from typing import Annotated, Any, Literal

from pydantic import Field

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol import limits, rest, rest_agents
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.services import agent_tree, agents
from agent_swarm.services.tokens import Scope

_SHOWN = ("id", "name", "status", "agentRole", "parentAgentId", "permissions", "capacity", "stopped", "children")


class AgentAction(rest.Input):
    """Arguments of agent-action."""

    agent_id: rest.Id
    action: Literal["stop", "start"]
    recursive: rest_agents.Recursive = False
    reason: Annotated[rest_agents.Reason, Field(description="of a stop")] = ""


class AgentTools:
    """Parses, calls `services.agent_tree`, renders."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._redactor = context.redactor
        self._rules = context.rules

    async def add(self, asked: rest_agents.AgentInput, caller: Caller) -> dict[str, Any]:
        """The parent is the agent of the token."""
        redactor = self._redactor.also(caller.token)
        adding = agent_tree.add_agent(asked, redactor, self._rules, by=caller.identity)
        added = await self._store.apply(await self._store.read(adding))
        return {**await self._show(added.agent.profile.id), "repeated": added.repeated}

    async def act(self, asked: AgentAction, caller: Caller) -> dict[str, Any]:
        """Stop or start one, or it and all below it."""
        by, agent_id = caller.identity, asked.agent_id
        await self._store.read(lambda queries: agent_tree.require_below(queries, agent_id, by=by))
        if asked.action == "stop":
            redactor = self._redactor.also(caller.token)
            done = await self._store.apply(
                agent_tree.stop_agent(agent_id, redactor, recursive=asked.recursive, reason=asked.reason, by=by)
            )
        elif asked.reason:
            raise InvalidInput("reason says nothing to start; leave it out", details={"field": "reason"})
        else:
            done = await self._store.apply(agent_tree.start_agent(agent_id, recursive=asked.recursive, by=by))
        return {
            "agent": await self._show(agent_id),
            "agents": done.agents[: limits.AGENTS_TOLD],
            "interruptedTasks": done.interrupted[: limits.AGENTS_TOLD],
        }

    async def _show(self, agent_id: str) -> dict[str, Any]:
        found = await self._store.read(agents.get_agent(agent_id, now=self._store.now()))
        whole = found.model_dump(mode="json", by_alias=True)
        return {name: whole[name] for name in _SHOWN}


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = AgentTools(context)
    return [
        Tool(
            name="add-agent",
            description=(
                "Introduce an agent below you, to address tasks to; one of the same name below you is answered again. "
                "It is offline until somebody runs a worker as it."
            ),
            takes=rest_agents.AgentInput,
            access=operators_and_attempts(Scope.AGENTS_WRITE, Scope.CHILDREN_CREATE),
            call=face.add,
        ),
        Tool(
            name="agent-action",
            description=(
                "Stop an agent below you (it gets no work, what it runs goes to others) or start it again; recursive: "
                "with all below it."
            ),
            takes=AgentAction,
            access=operators_and_attempts(Scope.AGENTS_WRITE, Scope.CHILDREN_STEER),
            call=face.act,
        ),
    ]
