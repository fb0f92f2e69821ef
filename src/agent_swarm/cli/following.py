"""Tasks followed until they have ended."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agent_swarm.cli import failures
from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.feed import EventFeed
from agent_swarm.domain.tasks import TERMINAL, TaskStatus

RECHECK_SECONDS = 30.0  # the stream tells; this is for the day it does not
Show = Callable[[dict[str, Any]], None]


def follow(client: Client, task_ids: Sequence[str], *, show: Show) -> dict[str, Json]:
    """The tasks as they are once all of them have ended; `show` sees each of their events on the way."""
    with EventFeed(client.server, task_id=task_ids[0] if len(task_ids) == 1 else None) as feed:
        # Read after the stream was opened: what changes from here on is on the stream.
        tasks = {task_id: client.get(f"/api/tasks/{task_id}") for task_id in task_ids}
        while not all(has_ended(task) for task in tasks.values()):
            events = feed.take(RECHECK_SECONDS)
            stale = {event["taskId"] for event in events if event.get("taskId") in tasks}
            if not events or any(event["type"] == "reset" for event in events):
                stale = set(tasks)
            for event in events:
                if event.get("taskId") in tasks:
                    show(event)
            tasks.update({task_id: client.get(f"/api/tasks/{task_id}") for task_id in stale})
    return tasks


def has_ended(task: Json) -> bool:
    """It never changes again."""
    return task["status"] in TERMINAL


def exit_code_by_outcome(tasks: Iterable[Json]) -> int:
    """0 where every task completed, else 1."""
    return failures.DONE if all(task["status"] == TaskStatus.COMPLETED for task in tasks) else failures.REFUSED


def agent_names(client: Client) -> dict[str, str]:
    """The name of each agent by its id."""
    return {agent["id"]: agent["name"] for agent in client.items("/api/agents", "agents")}
