"""The contract of a store.

`Engine` is the synchronous heart: it applies one batch in one transaction and answers reads. `Store` is what services
see: operations go in one by one, batches are made behind it (`batcher`), and what was committed is told to
subscribers afterwards.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.notes import NoteSearch
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store.families.family import Family
from agent_swarm.store.families.mail import Delivery, Message
from agent_swarm.store.families.notes import FoundNote
from agent_swarm.store.operations import Operation
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    ClaimedTask,
    CostBy,
    CostRow,
    Cursor,
    DependencyRecord,
    Event,
    MessageFilter,
    NameCursor,
    ProjectRecord,
    TaskFilter,
    TaskRecord,
    TokenRecord,
    UnservedClass,
)

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a batch changed, told to subscribers after its commit and before its answers."""

    at: int
    events: tuple[Event, ...] = ()
    ready: Mapping[int, int] = field(default_factory=dict)  # requirement class -> tasks that became claimable
    labels: Mapping[int, tuple[frozenset[str], ...]] = field(default_factory=dict)  # of those that have soft labels
    classes: Mapping[int, Requirements] = field(default_factory=dict)  # interned by this batch
    timer_at: int | None = None  # the earliest timer this batch set
    is_foreign: bool = False  # another server's; of those only events and `ready` are known
    up_to: int = 0  # the last event of the batch, where some were told before it, read from the database


Announce = Callable[[Committed], str | None]  # what other servers are told of a batch, in its commit


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One answer or refusal per operation, in the order given."""

    replies: list[Any | SwarmError]
    committed: Committed


class Decided(Protocol):
    """A batch that lacks nothing but its commit."""

    def commit(self) -> BatchResult:
        """Make it durable. Blocks as long as the disk takes."""
        ...


class Queries(Protocol):
    """Reads, all of one moment."""

    def task(self, task_id: str) -> TaskRecord | None: ...
    def tasks(self, task_ids: Sequence[str]) -> list[TaskRecord]: ...
    def list_tasks(self, filters: TaskFilter, *, after: Cursor | None, limit: int) -> list[TaskRecord]: ...
    def upstreams(self, task_id: str) -> list[DependencyRecord]: ...
    def dependants(self, task_id: str, *, limit: int) -> list[DependencyRecord]: ...
    def attempts(self, task_id: str, *, after: int = 0, limit: int | None = None) -> list[AttemptRecord]: ...
    def attempt(self, task_id: str, number: int) -> AttemptRecord | None: ...
    def agent(self, agent_id: str) -> AgentRecord | None: ...
    def agents(
        self, *, swarm_id: str | None = None, after: NameCursor | None = None, limit: int | None = None
    ) -> list[AgentRecord]: ...
    def stopped_agents(self) -> list[str]:
        """The ids of the agents that are stopped."""
        ...

    def agents_named(self, word: str, *, limit: int) -> list[AgentRecord]:
        """The first agents, by id, whose name is written so behind an @."""
        ...

    def agents_of_role(self, word: str, *, limit: int) -> list[AgentRecord]:
        """The first agents, by id, whose role, free or not, is written so behind an @."""
        ...

    def held_tasks(self, agent_id: str | None = None) -> list[TaskRecord]: ...
    def claimed_under(self, claim_ids: Sequence[str]) -> list[ClaimedTask]: ...
    def token_by_hash(self, token_hash: str) -> TokenRecord | None: ...
    def tokens(self) -> list[TokenRecord]: ...
    def project(self, id_or_name: str) -> ProjectRecord | None: ...
    def projects(self, *, after: NameCursor | None = None, limit: int | None = None) -> list[ProjectRecord]: ...
    def classes(self) -> dict[int, Requirements]: ...
    def ready_classes(self) -> set[int]: ...
    def unserved(self) -> list[UnservedClass]: ...
    def counts(self, swarm_id: str | None = None) -> dict[TaskStatus, int]: ...
    def events_after(self, seq: int, *, limit: int) -> list[Event]: ...
    def event_rows(self, seq: int, *, limit: int) -> list[tuple[Any, ...]]:
        """As `events_after`, as they are stored: every column, in the order of the table, `data` as text."""
        ...

    def record(self, family: Family[R], *key: Any) -> R | None:
        """A small record by its key."""
        ...

    def scan(self, family: Family[R], *prefix: Any, after: tuple[Any, ...] | None = None, limit: int) -> list[R]:
        """The first small records whose key begins with `prefix`, by key; `after` is the rest of a key."""
        ...

    def messages(
        self, wanted: MessageFilter, *, before: int | None, limit: int
    ) -> "list[tuple[Message, Delivery | None]]":
        """A page of messages, newest first; with their delivery to the recipient where that is who asks."""
        ...

    def deliveries_of(self, message_id: str, *, after: str, limit: int) -> "list[Delivery]":
        """Who gets a message and how far it has come, by recipient, from the one that follows `after`."""

    def search_notes(self, wanted: NoteSearch, *, limit: int) -> list[FoundNote]:
        """The newest notes that `wanted` finds, newest first."""
        ...

    def costs(self, by: CostBy, *, since: int | None, until: int | None, limit: int) -> list[CostRow]:
        """What was booked from `since` until before `until`, the most expensive first."""
        ...

    def head(self) -> tuple[int, str]: ...
    def next_timer(self, *, leases: bool = True) -> int | None:
        """When the earliest timer is due; without those of leases where they are not judged."""
        ...

    def epoch(self) -> int: ...


class Engine(Protocol):
    """Applies batches and answers reads, synchronously."""

    @property
    def is_shared(self) -> bool:
        """Whether others may write to the storage meanwhile."""
        ...

    def open(self) -> int:
        """Make the storage ready; answers the last instant it has recorded, 0 for a new one."""
        ...

    def apply_batch(self, operations: Sequence[Operation[Any]], now: int) -> BatchResult: ...

    def decide_quickly(self, operations: Sequence[Operation[Any]], now: int) -> Decided | None:
        """All of a batch but its commit, by a caller that must not be held up.

        None where it might be: then nothing has happened, and `apply_batch` is for it.
        """
        ...

    def read(self, query: Callable[[Queries], R]) -> R: ...
    def close(self) -> None: ...


Seer = Callable[[Sequence[Operation[Any]]], None]


class Store(Protocol):
    """What services and faces see."""

    async def apply(self, operation: Operation[R], *, lane: object = None) -> R:
        """Write; answers after the commit. Operations of one `lane` keep their order. Raises Busy when too much is
        queued.
        """
        ...

    def begin(self, operation: Operation[R], *, lane: object = None) -> "asyncio.Future[R]":
        """As `apply`, for callers with a callback; raises at once, and is not to be cancelled."""
        ...

    async def read(self, query: Callable[[Queries], R]) -> R: ...

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        """Have `listener` called after every commit, in commit order; answers a function that ends it."""
        ...

    def foresee(self, seer: "Seer") -> Callable[[], None]:
        """Have `seer` called with the operations of every batch before it is written; answers a function that ends it.

        What it begins meanwhile is written in that batch, after what is in it.
        """
        ...

    def now(self) -> int:
        """The store's clock: never goes back, also over restarts."""
        ...
