"""Which task comes first.

Priorities are 0–100. Waiting raises a task's effective priority by one point per `AGING`, so that nothing starves.
Because the raise is linear and the same for all, the order never changes while tasks wait: it is one stored number,
and the claim index stays a plain column.
"""

from agent_swarm.domain.time import SECOND

AGING = 300 * SECOND  # a point of priority is worth five minutes of waiting
DEFAULT_PRIORITY = 50
PRIORITY_NAMES = {"urgent": 100, "high": 75, "medium": 50, "low": 25}


def sort_key(*, created_at: int, priority: int) -> int:
    """Ascending order of claims; microseconds."""
    return created_at - priority * AGING
