"""What happened, as people see it: which events are shown, and a page of them."""

from collections.abc import Callable
from dataclasses import dataclass

from agent_swarm.protocol import rest
from agent_swarm.services import views
from agent_swarm.store.base import Queries


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are shown; empty fields do not filter."""

    task_id: str | None = None
    types: frozenset[str] = frozenset()

    @property
    def shows_all(self) -> bool:
        """Nothing is filtered."""
        return self.task_id is None and not self.types

    def shows(self, event_type: str, task_id: str | None) -> bool:
        """Whether such an event is shown."""
        return (self.task_id is None or task_id == self.task_id) and (not self.types or event_type in self.types)


def page(after: int, *, limit: int, wanted: EventFilter) -> Callable[[Queries], rest.EventPage]:
    """A reading: of the `limit` events that follow `after`, those that are wanted, oldest first.

    A page may be empty and still move on: its `nextAfter` is where the next one begins.
    """

    def reading(queries: Queries) -> rest.EventPage:
        found = queries.events_after(after, limit=limit)
        return rest.EventPage(
            events=[views.event(event) for event in found if wanted.shows(event.type, event.task_id)],
            next_after=found[-1].seq if found else after,
        )

    return reading
