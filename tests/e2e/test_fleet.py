"""Several servers on one database: any of them may go at any moment, and nothing is lost or done twice."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import fleet_on

from agent_swarm.testing import nats, postgres
from agent_swarm.testing.real_fleet import RealFleet

pytestmark = pytest.mark.slow

SEED = 20_260_301


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
def chance() -> random.Random:
    return random.Random(SEED)


@pytest.fixture
def fleet(tmp_path: Path, postgres_server: str, chance: random.Random) -> Iterator[RealFleet]:
    with fleet_on(postgres_server, tmp_path / "fleet", servers=3, chance=chance) as fleet:
        yield fleet


def work(count: int) -> list[dict[str, Any]]:
    """A graph of short tasks, every third of which waits for the two before it."""
    return [
        {
            "ref": f"t{number}",
            "title": f"t{number}",
            "harness": "script",
            "prompt": "sleep 0.1\nsay done",
            "dependsOn": [f"t{number - 1}", f"t{number - 2}"] if number % 3 == 2 else [],
            "maxAttempts": 5,
        }
        for number in range(count)
    ]


def test_given_servers_that_are_killed_one_after_the_other_when_they_come_back_then_every_task_completes_exactly_once(
    fleet: RealFleet, chance: random.Random
) -> None:
    for number in range(3):
        fleet.start_node(number)
    workers = [fleet.start_worker(slots=3) for _ in range(3)]
    refs = fleet.file(*work(60))
    killed = 0
    while fleet.statuses()["completed"] < len(refs) or killed < 6:
        victim = chance.randrange(3)
        fleet.kill_node(victim)
        killed += 1
        fleet.start_node(victim)
        if killed == 3:
            fleet.kill_worker(workers[0])
            fleet.start_worker(agent_id=workers[0])

    assert fleet.completions() == dict.fromkeys(refs.values(), 1)
    lost = [event for event in fleet.events() if event["type"] == "task.requeued"]
    reasons = {(event["data"]["reason"], event["data"].get("failureClass")) for event in lost}
    told_by_its_successor = {("superseded", None), ("failed", "infrastructure")}
    assert reasons <= told_by_its_successor, "only the killed worker lost its leases"
    assert [fleet.stop_worker(worker) for worker in workers] == [0, 0, 0]
    assert [fleet.stop_node(number) for number in range(3)] == [0, 0, 0]


def test_given_servers_that_stand_still_when_another_one_is_there_then_work_goes_on_and_nothing_is_done_twice(
    fleet: RealFleet,
) -> None:
    for number in range(3):
        fleet.start_node(number)
    worker = fleet.start_worker(slots=2)
    before = fleet.file(*work(9))
    fleet.wait_until(lambda: fleet.statuses()["running"] > 0, "something runs")
    for number in (1, 2):  # one of them may have the worker's connection
        fleet.pause_node(number)
    fleet.url = fleet.address(0)

    after = fleet.file({**work(1)[0], "ref": "after"})
    fleet.wait_for_all(len(before) + 1)
    for number in (1, 2):
        fleet.resume_node(number)
        fleet.wait_until(lambda number=number: fleet.is_ready(number), "it answers again")  # type: ignore[misc]

    assert fleet.completions() == dict.fromkeys([*before.values(), *after.values()], 1)
    assert fleet.stop_worker(worker) == 0


def transcripts(fleet: RealFleet, number: int) -> dict[str, bytes]:
    """What a server has of every attempt."""
    folder = fleet.folder / f"server-{number}" / "transcripts"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jsonl")}


@pytest.mark.skipif(
    nats.binary() is None and not os.environ.get("SKIP_NOTHING"), reason="nats-server is not installed: make dev"
)
def test_given_servers_with_nats_when_one_of_its_nodes_and_one_of_them_are_killed_then_nothing_is_lost_anywhere(
    tmp_path: Path, postgres_server: str, chance: random.Random
) -> None:
    with (
        nats.cluster() as cluster,
        fleet_on(
            postgres_server, tmp_path / "fleet", servers=3, chance=chance, nats_url=",".join(cluster.urls)
        ) as fleet,
    ):
        for number in range(3):
            fleet.start_node(number)
        workers = [fleet.start_worker(slots=2) for _ in range(2)]
        refs = fleet.file(*work(30))
        fleet.wait_until(lambda: fleet.statuses()["completed"] > 3, "it goes on")
        cluster.kill(1)
        fleet.kill_node(2)
        fleet.wait_until(lambda: fleet.statuses()["completed"] > 12, "it goes on without them")
        cluster.restart(1)
        fleet.start_node(2)
        fleet.wait_for_all(len(refs))

        assert fleet.completions() == dict.fromkeys(refs.values(), 1)
        fleet.wait_until(
            lambda: {name.partition("/")[0] for name in transcripts(fleet, 0)} == set(refs.values()),
            "server 0 has heard of every task",
        )
        for number in (1, 2):
            fleet.wait_until(
                lambda number=number: transcripts(fleet, number) == transcripts(fleet, 0),  # type: ignore[misc]
                f"server {number} has every line",
            )
        assert [fleet.stop_worker(worker) for worker in workers] == [0, 0]
        assert [fleet.stop_node(number) for number in range(3)] == [0, 0, 0]
