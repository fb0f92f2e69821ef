"""The tasks a live view shows, kept up to date by events."""

from collections.abc import Iterable, Sequence

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.feed import Event
from agent_swarm.cli.following import agent_names, has_ended
from agent_swarm.domain.tasks import OPEN
from agent_swarm.protocol.limits import PAGE_MAX

SINGLE_READS = 20  # more changes than this at once are read as a list


class Board:
    """The tasks asked for; without `wanted` all that are open, and those that end or come while one looks on."""

    def __init__(self, client: Client, wanted: Sequence[str] = ()) -> None:
        self._client = client
        self._wanted = tuple(wanted)
        self.tasks: dict[str, Json] = {}
        self.names: dict[str, str] = {}

    def read(self) -> None:
        """Everything anew."""
        if self._wanted:
            self._read_tasks(self._wanted)
        else:
            page = self._client.get("/api/tasks", {"status": ",".join(OPEN), "limit": PAGE_MAX})
            is_open = {task["id"]: task for task in reversed(page["tasks"])}
            self._read_tasks(
                task_id for task_id, task in self.tasks.items() if task_id not in is_open and not has_ended(task)
            )
            self.tasks.update(is_open)
        self.names = agent_names(self._client)

    def apply(self, events: Sequence[Event]) -> None:
        """What `events` changed, read anew."""
        changed = dict.fromkeys(event["taskId"] for event in events if self.concerns(event))
        if any(event["type"] == "reset" for event in events) or len(changed) > SINGLE_READS:
            self.read()
        else:
            self._read_tasks(changed)
            if any(task.get("agentId") not in (None, *self.names) for task in self.tasks.values()):
                self.names = agent_names(self._client)

    def concerns(self, event: Event) -> bool:
        """The event is about a task of this board."""
        return bool(event.get("taskId")) and (not self._wanted or event["taskId"] in self._wanted)

    def is_done(self) -> bool:
        """All tasks asked for have ended; never so for a board of everything."""
        return bool(self._wanted) and all(has_ended(task) for task in self.tasks.values())

    def _read_tasks(self, task_ids: Iterable[str]) -> None:
        for task_id in list(task_ids):
            self.tasks[task_id] = self._client.get(f"/api/tasks/{task_id}")
