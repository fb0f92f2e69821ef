"""Operations that the server does by itself, because time has passed."""

from dataclasses import dataclass

from agent_swarm.store.operations.base import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimers(Operation[int]):
    """Carry out up to `limit` due timers; answers how many. `leases=False` leaves lapsed leases alone (rule T7)."""

    jitter: float
    leases: bool = True
    limit: int = 500

    @property
    def keys(self) -> tuple[str, ...]:
        return ("timers",)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWait(Operation[bool]):
    """Let a task go on that waits for the tasks below it; answers whether it still did."""

    task_id: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"task:{self.task_id}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune(Operation[int]):
    """Remove what can no longer matter: idempotency keys over their day, tokens of attempts that ended a day ago.

    Answers how many rows went, at most `limit` of each kind.
    """

    limit: int = 1_000

    @property
    def keys(self) -> tuple[str, ...]:
        return ("prune",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropArchived(Operation[int]):
    """Remove the rows of the first `limit` events that are archived; answers how many there were."""

    limit: int = 2_000

    @property
    def keys(self) -> tuple[str, ...]:
        return ("checkpoint",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindUnserved(Operation[int]):
    """Find the requirement classes whose claimable tasks no agent that is online could take; answers how many.

    Each gets the event `task.noEligibleAgent` once it has waited for `patience`, and again only after somebody came.
    An agent is online that was seen within `silence` and has not said goodbye.
    """

    patience: int
    silence: int

    @property
    def keys(self) -> tuple[str, ...]:
        return ("unserved",)
