"""Schedules over real servers on one PostgreSQL that are killed: each instant runs once, none is lost."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.conftest import two_servers

from agent_swarm.testing.real_fleet import RealFleet

pytestmark = pytest.mark.slow

SCHEDULES, WITHIN_SECONDS, SEED = 80, 12, 20_261_127


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[RealFleet]:
    with two_servers(tmp_path / "fleet", SEED) as fleet:
        yield fleet


def test_given_two_servers_that_are_killed_in_turn_when_schedules_are_due_all_the_time_then_each_runs_once(
    fleet: RealFleet,
) -> None:
    for number in range(2):
        fleet.start_node(number)
    chance = random.Random(SEED)
    begin = datetime.now(UTC) + timedelta(seconds=10)
    for number in range(SCHEDULES):
        at = begin + timedelta(seconds=chance.uniform(0, WITHIN_SECONDS))
        body = {"name": f"s{number}", "at": at.isoformat(), "task": {"prompt": "p", "title": f"s{number}"}}
        fleet.call("POST", "/api/schedules", body)
    killed = 0
    while killed < 4 or datetime.now(UTC) < begin + timedelta(seconds=WITHIN_SECONDS):
        fleet.kill_node(killed % 2)
        fleet.start_node(killed % 2)
        killed += 1

    def started() -> int:
        return sum(event["type"] == "schedule.fired" for event in fleet.events())

    fleet.wait_until(lambda: started() >= SCHEDULES, "all of them have run")
    created = Counter(event["data"]["title"] for event in fleet.events() if event["type"] == "task.created")
    assert created == Counter({f"s{number}": 1 for number in range(SCHEDULES)})
    for number in range(SCHEDULES):
        (run,) = fleet.call("GET", f"/api/schedules/s{number}/runs")["runs"]
        assert run["outcome"] == "started"
    assert [fleet.stop_node(number) for number in range(2)] == [0, 0]
