"""Which agents were introduced below which: the way down, where the agent's own record is the way up."""

from dataclasses import dataclass

from agent_swarm.store.families.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChild:
    """`agent_id` was introduced by `parent_id`, or below it; it never changes."""

    parent_id: str
    agent_id: str


AGENT_CHILDREN = Family("agent_child", AgentChild, key=("parent_id", "agent_id"))
PAGE = 500
