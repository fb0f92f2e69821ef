"""Operations on swarms. Rare, and each of them looks at much: no other batch is under way while one is applied."""

from dataclasses import dataclass
from typing import TypeVar

from agent_swarm.domain.swarms import Swarm, SwarmChange
from agent_swarm.store.operations.base import Operation

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmOperation(Operation[R_co]):
    """Something about a swarm, by whom."""

    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return ("swarms",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSwarm(SwarmOperation[Swarm]):
    """Make a swarm. Raises AlreadyExists for a name that a living one has, UnknownReference for the project.

    `swarm_id` is for one that had an id elsewhere, which no swarm here has had; None gives it one by the clock.
    """

    name: str
    project_id: str | None = None
    swarm_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSwarm(SwarmOperation[Swarm]):
    """Pause a swarm, have it go on, give it another project; the same again is no change. Raises NotFound."""

    swarm_id: str
    change: SwarmChange


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSwarmMember(SwarmOperation[bool]):
    """Have an agent join a swarm, out of the one it is in, or leave it; answers whether that was a change.

    Raises NotFound, Conflict while it holds a task of the swarm that it would leave, and Killed while one of the
    swarms is stopped: what the kill switch covers stays covered.
    """

    swarm_id: str
    agent_id: str
    joins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSwarm(SwarmOperation[Swarm]):
    """Have a swarm be no more: its agents leave it, its name is free.

    Raises NotFound, Conflict while it has tasks that have not ended, and Killed while it is stopped.
    """

    swarm_id: str
