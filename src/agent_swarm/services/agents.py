"""Who works here, as people see it."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from agent_swarm.domain.errors import NotFound
from agent_swarm.protocol import limits, rest, rest_agents
from agent_swarm.services import cursors, views
from agent_swarm.store.base import Queries
from agent_swarm.store.families.agent_children import AGENT_CHILDREN
from agent_swarm.store.families.rests import resting
from agent_swarm.store.families.swarms import living_swarm
from agent_swarm.store.records import AgentRecord, TaskRecord


def list_agents(
    *, cursor: str | None, limit: int, now: int, swarm: str | None = None
) -> Callable[[Queries], rest.AgentList]:
    """A reading: a page of the agents, by name; with `swarm`, an id or a name, of those in there."""
    after = cursors.read_name(cursor)

    def reading(queries: Queries) -> rest.AgentList:
        holds, rests = held_by_agent(queries.held_tasks()), resting(queries, now)
        swarm_id = None if swarm is None else living_swarm(queries, swarm).id
        found = queries.agents(swarm_id=swarm_id, after=after, limit=limit + 1)
        shown, following = cursors.page(found, limit, lambda agent: cursors.after_name(agent.name, agent.profile.id))
        return rest.AgentList(
            agents=[views.agent(agent, holds.get(agent.profile.id, ()), rests, now=now) for agent in shown],
            next_cursor=following,
        )

    return reading


def get_agent(agent_id: str, *, now: int) -> Callable[[Queries], rest_agents.AgentDetail]:
    """A reading: one agent. Raises NotFound."""

    def reading(queries: Queries) -> rest_agents.AgentDetail:
        agent = require_agent(queries, agent_id)
        children = queries.scan(AGENT_CHILDREN, agent_id, limit=limits.PAGE_MAX)
        below = [child.agent_id for child in children]
        return views.agent_detail(agent, queries.held_tasks(agent_id), below, resting(queries, now), now=now)

    return reading


def require_agent(queries: Queries, agent_id: str) -> AgentRecord:
    """The agent. Raises NotFound."""
    agent = queries.agent(agent_id)
    if agent is None:
        raise NotFound(
            f"no agent has the id {agent_id!r}",
            hint="list agents with: agent-swarm agent list",
            details={"agentId": agent_id},
        )
    return agent


def held_by_agent(held: Sequence[TaskRecord]) -> dict[str, list[TaskRecord]]:
    """Held tasks by the agent that holds them."""
    holds: dict[str, list[TaskRecord]] = defaultdict(list)
    for task in held:
        if task.state.agent_id is not None:
            holds[task.state.agent_id].append(task)
    return holds
