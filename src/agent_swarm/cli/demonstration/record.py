"""What the demo's swarm has done, as its API tells it when all is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.demonstration import plan
from agent_swarm.cli.following import agent_names

PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Record:
    """Tasks by their ref in the plan, with their attempts; every event and message; the agents' names by id."""

    tasks: Mapping[str, Json]
    attempts: Mapping[str, Sequence[Json]]
    events: Sequence[Mapping[str, Any]]
    agents: Mapping[str, str]
    messages: Sequence[Json] = ()

    def seqs(self, ref: str, event_type: str) -> list[int]:
        """The places of a task's events of one type in the log."""
        task_id = self.tasks[ref]["id"]
        return [event["seq"] for event in self.events if event["type"] == event_type and event.get("taskId") == task_id]


def read_record(client: Client, planning_task_id: str) -> Record:
    """Everything, read anew."""
    ref_of = {title: ref for ref, title in plan.TITLES.items()}
    listed = [task for page in client.pages("/api/tasks") for task in page["tasks"]]
    tasks = {PLAN if task["id"] == planning_task_id else ref_of.get(task["title"], task["id"]): task for task in listed}
    in_order = {ref: tasks[ref] for ref in (PLAN, *plan.WAITS_FOR, *tasks) if ref in tasks}
    return Record(
        tasks=in_order,
        attempts={ref: client.items(f"/api/tasks/{task['id']}/attempts", "attempts") for ref, task in in_order.items()},
        events=list(_events(client)),
        agents=agent_names(client),
        messages=client.items("/api/messages", "messages"),
    )


def _events(client: Client) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    after = 0
    while True:
        page = client.get("/api/events", {"after": after})
        events.extend(page["events"])
        if not page["events"] or page["nextAfter"] == after:
            return events
        after = page["nextAfter"]
