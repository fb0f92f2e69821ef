"""What reading the rows of any system has in common. Pure."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent_swarm.importing.fields import Row, Unreadable
from agent_swarm.importing.foreign import ForeignTask, Kept

V = TypeVar("V")


@dataclass(slots=True)
class Collected:
    """Makes values of rows, and keeps the rows of which none can be made."""

    kept: list[Kept] = field(default_factory=list)

    def each(
        self, rows: Sequence[Row], kind: str, make: Callable[[Row], V], *, shown: Callable[[Row], Row] = dict
    ) -> list[V]:
        """What `make` makes of the rows; `shown` is what of a row may stand in the report."""
        made = []
        for row in rows:
            try:
                made.append(make(row))
            except Unreadable as exc:
                self.problem(kind, shown(row), str(exc))
        return made

    def unfinished(
        self, kind: str, rows: Sequence[Row], make: Callable[[Row], ForeignTask], *, ended: Collection[str]
    ) -> tuple[list[ForeignTask], dict[str, int]]:
        """Tasks that have not ended and may still begin; and how many have ended, by status."""
        counted: Counter[str] = Counter()
        made: dict[str, ForeignTask] = {}
        sources: dict[str, Row] = {}
        for row in rows:
            if (status := str(row.get("status"))) in ended:
                counted[f"tasks {status}"] += 1
                continue
            for task in self.each([row], kind, make):
                made[task.id], sources[task.id] = task, row
        for task_id, reason in stranded(made):
            self.problem(kind, sources[task_id], reason)
            del made[task_id]
        return list(made.values()), dict(counted)

    def problem(self, kind: str, row: Row, reason: str) -> None:
        """Keep a row that should have been imported."""
        source = str(row.get("id", ""))
        self.kept.append(Kept(kind=kind, source_id=source, reason=reason, content=printable(row), is_problem=True))

    def homeless(self, kind: str, rows: Sequence[Row]) -> None:
        """Keep rows of a kind that has no place here."""
        self.kept.extend(
            Kept(
                kind=kind,
                source_id=str(row.get("id", "")),
                reason="there is nothing like it here",
                content=printable(row),
            )
            for row in rows
        )


def stranded(tasks: Mapping[str, ForeignTask]) -> Iterator[tuple[str, str]]:
    """Tasks, with the reason, that wait for one that is not imported, for one of those, or in a circle."""
    open_ends = {task_id: set(task.depends_on) for task_id, task in tasks.items()}
    while free := [task_id for task_id, waits in open_ends.items() if not waits]:
        for task_id in free:
            del open_ends[task_id]
        for waits in open_ends.values():
            waits.difference_update(free)
    for task_id, waits in open_ends.items():
        yield task_id, f"it waits for tasks that could not be imported: {', '.join(sorted(waits))}"


def printable(row: Row) -> dict[str, Any]:
    """A row as JSON can hold it."""
    return {name: json.loads(json.dumps(value, default=repr)) for name, value in row.items()}
