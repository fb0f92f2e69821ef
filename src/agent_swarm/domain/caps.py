"""How much agents may file: bounds that end a loop of agents that delegate to each other.

Operators are not capped; the sizes of what they send are.
"""

from dataclasses import dataclass
from enum import StrEnum


class Cap(StrEnum):
    """What is bounded. The value names it in refusals, `setting` what changes it."""

    DEPTH = "depth"
    CHILDREN = "children"
    TASKS_PER_ROOT = "tasksPerRoot"
    OPEN_PER_AGENT = "openPerAgent"

    @property
    def setting(self) -> str:
        """The variable that operators set."""
        return _SETTINGS[self]


_SETTINGS = {
    Cap.DEPTH: "AGENT_SWARM_MAX_DEPTH",
    Cap.CHILDREN: "AGENT_SWARM_MAX_CHILDREN",
    Cap.TASKS_PER_ROOT: "AGENT_SWARM_MAX_TASKS_PER_ROOT",
    Cap.OPEN_PER_AGENT: "AGENT_SWARM_MAX_OPEN_PER_AGENT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """At most so many, for what agents file. 0 allows nothing."""

    depth: int = 5  # levels below the root task
    children: int = 50  # directly below one task
    tasks_per_root: int = 500  # below one root task, however deep
    open_per_agent: int = 200  # filed by one agent and not ended

    def of(self, cap: Cap) -> int:
        """The bound."""
        return {
            Cap.DEPTH: self.depth,
            Cap.CHILDREN: self.children,
            Cap.TASKS_PER_ROOT: self.tasks_per_root,
            Cap.OPEN_PER_AGENT: self.open_per_agent,
        }[cap]
