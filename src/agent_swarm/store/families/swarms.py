"""Swarms, by id, and the names of those that live. Operations of their own change them (`applying/swarms.py`)."""

from dataclasses import dataclass

from agent_swarm.domain.errors import NotFound, UnknownReference
from agent_swarm.domain.notes import THE_SWARM
from agent_swarm.domain.swarms import Swarm, is_id
from agent_swarm.store.base import Queries
from agent_swarm.store.families.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmName:
    """The name of a swarm that has not been deleted."""

    name: str
    swarm_id: str


SWARMS = Family("swarm", Swarm, key=("id",))
SWARM_NAMES = Family("swarm_name", SwarmName, key=("name",))


def swarm_named(queries: Queries, named: str) -> Swarm | None:
    """The swarm with this id, also one that was deleted, or the living one with this name."""
    if is_id(named):
        return queries.record(SWARMS, named)
    known = queries.record(SWARM_NAMES, named)
    return None if known is None else queries.record(SWARMS, known.swarm_id)


def living_swarm(queries: Queries, named: str, *, field: str = "swarm") -> Swarm:
    """The swarm that input names in `field`, by id or name. Raises UnknownReference."""
    found = swarm_named(queries, named)
    if found is None or not found.is_there:
        raise unknown_swarm_in(field, named)
    return found


def unknown_swarm_in(field: str, named: str) -> UnknownReference:
    """The input names a swarm that is not there."""
    hint = "list swarms with: agent-swarm swarm list"
    if named == THE_SWARM:
        hint = f"leave {field} out: {THE_SWARM!r} stands for the server as a whole, which everything belongs to"
    return UnknownReference(
        f"{field} names swarm {named[:64]!r}, which does not exist",
        hint=hint,
        details={"field": field, "value": named[:64]},
    )


def unknown_swarm(named: str) -> NotFound:
    """There is no such swarm."""
    return NotFound(
        f"no swarm has the id or name {named[:64]!r}",
        hint="list swarms with: agent-swarm swarm list",
        details={"swarm": named[:64]},
    )
