"""Triggers over real servers on one PostgreSQL that are killed: each ending is acted on once, each webhook comes."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import two_servers

from agent_swarm.testing.real_fleet import RealFleet
from agent_swarm.testing.webhook_server import webhook_server

pytestmark = pytest.mark.slow

TASKS, SEED = 40, 20_261_127


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[RealFleet]:
    with two_servers(
        tmp_path / "fleet",
        SEED,
        AGENT_SWARM_WEBHOOK_ALLOW="127.0.0.1",
        AGENT_SWARM_SECRET_REFERENCES="env://HOOK_*",
        HOOK_SECRET="s",
    ) as fleet:
        yield fleet


def test_given_two_servers_that_are_killed_in_turn_when_tasks_end_then_each_files_one_and_all_webhooks_come(
    fleet: RealFleet,
) -> None:
    with webhook_server() as endpoint:
        for number in range(2):
            fleet.start_node(number)
        webhook = {"url": endpoint.url, "secret": "ref:env://HOOK_SECRET"}
        fleet.call("POST", "/api/triggers", {"name": "hook", "on": "cancelled", "do": {"webhook": webhook}})
        does = {"createTask": {"prompt": "p", "title": "next", "tags": ["next"]}}
        fleet.call("POST", "/api/triggers", {"name": "next", "on": "cancelled", "tag": "first", "do": does})
        first = [
            fleet.call("POST", "/api/tasks", {"prompt": "p", "title": f"t{number}", "tags": ["first"]})["id"]
            for number in range(TASKS)
        ]
        for number, task_id in enumerate(first):
            fleet.call("POST", f"/api/tasks/{task_id}/cancel")
            if number % 10 == 5:
                node = number // 10 % 2
                fleet.kill_node(node)
                fleet.start_node(node)
        fleet.wait_until(
            lambda: sum(event["type"] == "trigger.carriedOut" for event in fleet.events()) >= TASKS,
            "all tasks are filed",
        )
        fleet.wait_until(lambda: len(set(endpoint.ids)) >= TASKS, "all webhooks have come")  # a lease may run out
        created = [event for event in fleet.events() if event["type"] == "task.created"]
        parents = Counter(event["data"]["parentTaskId"] for event in created if event["data"]["title"] == "next")
        assert parents == Counter(dict.fromkeys(first, 1))
        assert len(set(endpoint.ids)) == TASKS
        assert [fleet.stop_node(number) for number in range(2)] == [0, 0]
