"""What the only writer of a database need not read again.

SQLite has one writer, and a lock on the file keeps others out: what it committed last is what is stored. It keeps the
head of the event chain, how the kill switch stands, the tasks that are under way and the agents it met, and saves the
reads that would tell it the same. Nothing here is taken for granted when writing: updates name the fence and status
they were decided on, and where one of them meets no row, everything is forgotten and read anew.

On PostgreSQL others write, too: there rows are locked and read in every batch, and nothing is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent_swarm.domain.kill_switch import Switch
from agent_swarm.store.records import AgentRecord
from agent_swarm.store.rows import Entry

TASKS = 8_192
AGENTS = 16_384
PROMPT_CHARS = 4_000  # of a task that is kept whole, until it is claimed: with TASKS it bounds the memory

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the event chain, and the latest instant on record."""

    seq: int
    hash: str
    at: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What stops claims: switches that are on, the epoch of tokens, paused swarms, and whether there are budgets."""

    epoch: int
    killed: tuple[Switch, ...] = ()
    paused: frozenset[str] = frozenset()
    has_budgets: bool = False


@dataclass(slots=True)
class WriterMemory:
    """What was committed last. A batch works on it, and hands over what it read anew; a failed one has to `forget`."""

    head: Head | None = None
    standing: Standing | None = None
    agents: dict[str, AgentRecord] = field(default_factory=dict)
    _tasks: dict[str, Entry] = field(default_factory=dict)  # the longest untouched ones first

    def task(self, task_id: str) -> Entry | None:
        """A task to work on, where it is known."""
        return self._tasks.get(task_id)

    def keep(
        self, entries: Iterable[Entry], agents: dict[str, AgentRecord], head: Head, standing: Standing | None
    ) -> None:
        """A batch has committed; these are its rows as they are now."""
        self.head = head
        self.standing = standing
        for entry in entries:
            self._tasks.pop(entry.state.id, None)
            if not entry.state.is_terminal:
                self._tasks[entry.state.id] = _without_ballast(entry)
        self.agents.update(agents)
        _shrink(self._tasks, TASKS)
        _shrink(self.agents, AGENTS)

    def forget_tasks(self, task_ids: Iterable[str]) -> None:
        """A batch that nothing was wrong with was given up: read anew what it worked on."""
        for task_id in task_ids:
            self._tasks.pop(task_id, None)

    def forget(self) -> None:
        """A batch failed: read everything anew."""
        self.head = self.standing = None
        self.agents.clear()
        self._tasks.clear()


def _without_ballast(entry: Entry) -> Entry:
    """The whole task is needed once, to tell it to the worker that claims it."""
    whole = entry.whole
    if whole is not None and (entry.state.is_held or len(whole.spec.prompt) > PROMPT_CHARS):
        entry.whole = None
        entry.since = {}
    return entry


def _shrink(kept: dict[str, Any], limit: int) -> None:
    while len(kept) > limit:
        del kept[next(iter(kept))]
