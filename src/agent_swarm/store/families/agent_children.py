"""Which agents were introduced below which: the way down, where the agent's own record is the way up."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from agent_swarm.store.families.family import Family

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChild:
    """`agent_id` was introduced by `parent_id`, or below it; it never changes."""

    parent_id: str
    agent_id: str


AGENT_CHILDREN = Family("agent_child", AgentChild, key=("parent_id", "agent_id"))
PAGE = 500


class Records(Protocol):
    """Where families are read: in a batch, or beside."""

    def scan(self, family: Family[T], *prefix: Any, after: tuple[Any, ...] | None = None, limit: int) -> list[T]:
        """The first records whose key begins with `prefix`."""


def with_all_below(records: Records, agent_id: str) -> list[str]:
    """The agent, and those below it, level by level."""
    found = [agent_id]
    for above in found:  # grows meanwhile
        after: tuple[str, ...] | None = None
        while page := records.scan(AGENT_CHILDREN, above, after=after, limit=PAGE):
            found += [child.agent_id for child in page]
            after = (page[-1].agent_id,)
    return found
