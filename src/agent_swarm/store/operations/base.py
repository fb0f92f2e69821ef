"""The frame of every operation: what it touches, what it weighs, and where those on small records write."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from agent_swarm.store.events import Draft
    from agent_swarm.store.families.family import Family

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Operation(Generic[R_co]):
    """Something to write; `R_co` is its answer."""

    __slots__ = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What it touches; of two operations with a common key only one fits into a batch."""
        return ()

    @property
    def weight(self) -> int:
        """About how many rows it decides on."""
        return 1

    @property
    def is_urgent(self) -> bool:
        """It goes before everything that waits, and is taken however much that is."""
        return False

    @property
    def is_alone(self) -> bool:
        """No other batch may be under way meanwhile, on any server."""
        return False


class Desk(Protocol):
    """Where an operation on small records works: in the transaction of its batch."""

    @property
    def now(self) -> int:
        """The instant of the batch."""

    def get(self, family: "Family[T]", *key: Any) -> T | None:
        """The record under this key, locked where others could write it."""

    def scan(self, family: "Family[T]", *prefix: Any, after: tuple[Any, ...] | None = None, limit: int) -> list[T]:
        """The first records whose key begins with `prefix`, in the order of keys; `after` is the rest of a key."""

    def put(self, family: "Family[T]", record: T) -> None:
        """Add a record, or replace the one under its key."""

    def add(self, family: "Family[T]", records: Sequence[T]) -> None:
        """Add new records, all in one go; none of their keys may be taken."""

    def remove(self, family: "Family[T]", *key: Any) -> bool:
        """Remove the record under this key; whether there was one."""

    def say(self, draft: "Draft") -> None:
        """Have an event of what was done."""

    def earlier(self, asked: "Idempotency | None") -> tuple[str, ...] | None:
        """The ids of what a request under this key made before; None for a new one. Raises IdempotencyMismatch."""

    def remember(self, asked: "Idempotency | None", ids: tuple[str, ...]) -> None:
        """Keep the ids of what this request made, under its key if it has one."""


class RecordOperation(Operation[R_co]):
    """An operation on records that are kept under keys (`store/families`); it says itself what it does."""

    __slots__ = ()  # one that can be asked for under an Idempotency-Key has it in a field `idempotency`

    @abstractmethod
    def carry_out(self, desk: Desk) -> R_co:
        """Do it, or refuse by raising a SwarmError before anything is put or removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """The same request twice acts once: per (subject, route), for 24 h; another body under the same key is refused."""

    subject: str
    route: str
    key: str
    body_hash: str
