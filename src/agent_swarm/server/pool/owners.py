"""Whose attempt a frame is about. A worker writes about attempts of its own agent only, whatever fence it knows."""

from collections import OrderedDict
from dataclasses import dataclass

from agent_swarm.domain.errors import Denied, NotFound
from agent_swarm.store.base import Queries, Store

REMEMBERED = 65_536  # attempts; a forgotten one costs a read


@dataclass(frozen=True, slots=True)
class Owner:
    """The attempt that a (task, fence) names: its number, the agent that made it, and whether its task wants more of a
    result than that there is one. Never changes.
    """

    agent_id: str
    attempt: int
    has_terms: bool = False


class Owners:
    """Remembers attempts by (task, fence)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[tuple[str, int], Owner] = OrderedDict()

    def remember(self, task_id: str, fence: int, owner: Owner) -> None:
        """A claim was handed out."""
        self._known[task_id, fence] = owner
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def known(self, task_id: str, fence: int) -> Owner | None:
        """The owner, where it is remembered."""
        return self._known.get((task_id, fence))

    async def find(self, task_id: str, fence: int) -> Owner | None:
        """The owner; None where the task never had this fence, which the store then refuses in its own words."""

        def reading(queries: Queries) -> Owner | None:
            task = queries.task(task_id)
            for attempt in queries.attempts(task_id):
                if task is not None and attempt.fence == fence:
                    return Owner(attempt.agent_id, attempt.number, task.spec.has_terms)
            return None

        owner = self.known(task_id, fence) or await self._store.read(reading)
        if owner is not None:
            self.remember(task_id, fence, owner)
        return owner


def require_own(owner: Owner | None, agent_id: str, *, task_id: str, fence: int) -> None:
    """Raises Denied where the attempt is another agent's."""
    if owner is not None and owner.agent_id != agent_id:
        raise Denied(
            f"the attempt at task {task_id!r} under fencing token {fence} is another agent's",
            hint="a worker writes about its own attempts only",
            details={"taskId": task_id, "fence": fence},
        )


def require_number(owner: Owner | None, number: int, *, task_id: str) -> None:
    """Raises unless the attempt exists and has this number: such frames count even when its lease is over."""
    if owner is None or owner.attempt != number:
        raise NotFound(
            f"task {task_id!r} has no attempt {number} under this fencing token",
            hint="send the attempt and fence of the claim",
            details={"taskId": task_id, "attempt": number},
        )
