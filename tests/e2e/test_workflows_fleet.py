"""A workflow over two servers on one PostgreSQL database that are killed in turn: each part has one result."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import two_servers

from agent_swarm.testing.real_fleet import RealFleet

pytestmark = pytest.mark.slow

ITEMS, KILLS, SEED = 40, 4, 20_261_127


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[RealFleet]:
    plain = {"AGENT_SWARM_WORKFLOW_SANDBOX": "process", "AGENT_SWARM_WORKFLOW_SLOTS": "2"}
    with two_servers(tmp_path / "fleet", SEED, **plain) as fleet:
        yield fleet


def test_given_two_servers_that_are_killed_in_turn_when_a_workflow_is_run_then_it_ends_and_each_part_has_one_result(
    fleet: RealFleet,
) -> None:
    for number in range(2):
        fleet.start_node(number)
    stages: list[dict[str, Any]] = [
        {"name": "first", "kind": "noop"},
        {
            "name": "each",
            "kind": "shell",
            "needs": ["first"],
            "foreach": list(range(ITEMS)),
            "env": {"N": "{{ item }}"},
            "run": f"echo $N >> {fleet.marks}/done; sleep 0.3",
        },
        {"name": "last", "kind": "builtin", "uses": "format", "with": {"text": "{{ length(stages.each.data) }}"}},
    ]
    stages[2]["needs"] = ["each"]
    run_id = fleet.call("POST", "/api/workflows", {"workflow": {"name": "w", "stages": stages}})["id"]

    def lines() -> list[str]:
        done = fleet.marks / "done"
        return done.read_text().split() if done.exists() else []

    def reached(number: int) -> bool:
        return len(lines()) >= number

    for kill in range(KILLS):
        more = len(lines()) + 1
        fleet.wait_until(partial(reached, more), "items are at work")
        fleet.kill_node(kill % 2)
        fleet.start_node(kill % 2)

    def run() -> Any:
        return fleet.call("GET", f"/api/workflows/{run_id}")

    fleet.wait_until(lambda: run()["status"] == "completed", "the run has ended", within=180)
    shown = run()
    assert shown["stages"][2]["output"] == str(ITEMS)
    assert set(lines()) == {str(number) for number in range(ITEMS)}
    assert len(shown["stages"][1]["items"]) == ITEMS
    assert all(number == 1 for number in fleet.completions().values())
    runners = {one["id"] for one in fleet.call("GET", "/api/agents")["agents"] if one["agentRole"] == "runner"}
    assert len(runners) == 2
