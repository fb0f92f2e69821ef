"""Who did what: events found by actor, type, task and time, from the newest back.

Numbers have no gap and time does not go back along them, so a moment is found by halving, and a page looks at a bounded
number of events, whatever it is to show.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_swarm.store.base import Queries
from agent_swarm.store.records import Event

LOOKED_AT = 5_000  # events, for one page
READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are shown; empty fields do not filter. A type may end in `*`; an actor `agent` is any agent."""

    actor: str = ""
    types: tuple[str, ...] = ()
    task_id: str | None = None
    since: int | None = None
    until: int | None = None

    def shows(self, event: Event) -> bool:
        """Whether it is shown; its time is seen to elsewhere."""
        return (
            (not self.actor or event.actor == self.actor or event.actor.startswith(f"{self.actor}:"))
            and (not self.types or any(_fits(event.type, wanted) for wanted in self.types))
            and (self.task_id is None or event.task_id == self.task_id)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A page, newest first. `before` is where the next one begins; None at the end."""

    events: Sequence[Event]
    before: int | None


def find(wanted: Wanted, *, before: int | None, limit: int) -> Callable[[Queries], Found]:
    """A reading: the last `limit` events that are wanted before the event `before`, or before the end.

    A page may have fewer, even none, and still go on: it looks at LOOKED_AT events at most.
    """

    def reading(queries: Queries) -> Found:
        end = queries.head()[0] + 1 if before is None else before
        if wanted.until is not None:
            end = min(end, last_before(queries, wanted.until) + 1)
        start = first_seq(queries)
        if wanted.since is not None:
            start = max(start, last_before(queries, wanted.since) + 1)
        lowest = max(start, end - LOOKED_AT)
        shown: list[Event] = []
        while end > lowest and len(shown) < limit:
            begin = max(lowest, end - READ_AT_ONCE)
            page = [event for event in queries.events_after(begin - 1, limit=end - begin) if event.seq < end]
            fitting = [event for event in reversed(page) if wanted.shows(event)]
            room = limit - len(shown)
            shown += fitting[:room]
            end = shown[-1].seq if len(fitting) > room else begin
        return Found(shown, end if end > start else None)

    return reading


def last_before(queries: Queries, instant: int) -> int:
    """The last event from before that instant that is there; one before the first where there is none."""
    low, high = first_seq(queries) - 1, queries.head()[0]
    while low < high:
        middle = (low + high + 1) // 2
        found = queries.events_after(middle - 1, limit=1)
        if found and found[0].at < instant:
            low = middle
        else:
            high = middle - 1
    return low


def first_seq(queries: Queries) -> int:
    """The first event that is there; one after the last where there is none."""
    first = queries.events_after(0, limit=1)
    return first[0].seq if first else queries.head()[0] + 1


def _fits(event_type: str, wanted: str) -> bool:
    return event_type.startswith(wanted[:-1]) if wanted.endswith("*") else event_type == wanted
