"""Agents, projects, the overview: what people look at first."""

import json
import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.server.world import World

from agent_swarm.bus.base import BusFigures, NoBus
from agent_swarm.domain.matching import AgentRole
from agent_swarm.server.app import build_app
from agent_swarm.server.metrics import WithoutAgent
from agent_swarm.server.node import Node
from agent_swarm.server.settings import ServerSettings
from agent_swarm.store.opening import unopened_store

pytestmark = pytest.mark.anyio
UNKNOWN = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


async def test_given_agents_when_they_work_or_go_then_their_status_follows(world: World) -> None:
    ada = await world.register("ada", slots=2, tags=("gpu",))
    bob = await world.register("bob")
    lead = await world.register("lead", role=AgentRole.LEAD)
    await world.file(requires={"tags": ["gpu"]})
    attempt = await world.take(ada)
    await world.sign_off(bob)

    agents = {agent["name"]: agent for agent in (await world.get("/api/agents"))["agents"]}

    assert {name: agent["status"] for name, agent in agents.items()} == {
        "ada": "busy",
        "bob": "offline",
        "lead": "idle",
    }
    assert (agents["lead"]["isLead"], agents["lead"]["agentRole"], agents["ada"]["isLead"]) == (True, "lead", False)
    assert (agents["ada"]["currentTasks"], agents["ada"]["slots"], agents["ada"]["tags"]) == (
        [attempt.task_id],
        2,
        ["gpu"],
    )
    world.clock.advance(30)
    await world.beat(lead)
    world.clock.advance(1)
    agents = {agent["name"]: agent["status"] for agent in (await world.get("/api/agents"))["agents"]}
    assert agents == {"ada": "offline", "bob": "offline", "lead": "idle"}
    assert (await world.get(f"/api/agents/{lead.id}"))["name"] == "lead"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
async def test_given_the_readmes_check_when_it_is_run_then_jq_finds_what_it_looks_for(world: World) -> None:
    await world.register("ada")
    answer = await world.get("/api/agents")

    jq = await anyio.run_process(["jq", "-c", ".agents[] | {name, status, isLead}"], input=json.dumps(answer).encode())

    assert json.loads(jq.stdout) == {"name": "ada", "status": "idle", "isLead": False}


@pytest.mark.parametrize("agent_id", ["ada", UNKNOWN])
async def test_given_an_unknown_agent_when_it_is_asked_for_then_it_is_not_found(world: World, agent_id: str) -> None:
    answer = await world.call("GET", f"/api/agents/{agent_id}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "notFound")


async def test_given_a_project_when_it_is_added_twice_then_it_is_one_and_found_by_id_and_name(
    world: World, tmp_path: Path
) -> None:
    body = {"name": "site", "repoUrl": str(tmp_path), "defaultBranch": "main"}

    first = await world.post("/api/projects", body)
    again = await world.post("/api/projects", body)
    other = await world.call("POST", "/api/projects", json={**body, "repoUrl": "https://example.com/site.git"})

    assert first == again
    assert first["repoUrl"] == str(tmp_path)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "alreadyExists")
    assert await world.get("/api/projects/site") == await world.get(f"/api/projects/{first['id']}") == first
    assert (await world.get("/api/projects"))["projects"] == [first]


@pytest.mark.parametrize("name", ["nowhere", "%00", "a b", UNKNOWN])
async def test_given_an_unknown_project_when_it_is_asked_for_then_it_is_refused(world: World, name: str) -> None:
    assert (await world.call("GET", f"/api/projects/{name}")).status_code in (404, 422)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "repoUrl": "https://example.com/x"},
        {"name": "-x", "repoUrl": "https://example.com/x"},
        {"name": "a b", "repoUrl": "https://example.com/x"},
        {"name": UNKNOWN, "repoUrl": "https://example.com/x"},
        {"name": "x"},
        {"name": "x", "repoUrl": ""},
        {"name": "x", "repoUrl": "https://example.com/x", "defaultBranch": "--upload-pack=evil"},
    ],
)
async def test_given_a_bad_project_when_it_is_added_then_it_is_refused(world: World, body: dict[str, Any]) -> None:
    answer = await world.call("POST", "/api/projects", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalidInput")


async def test_given_a_swarm_at_work_when_the_overview_is_read_then_it_counts_and_shows_it(world: World) -> None:
    ada = await world.register("ada")
    await world.register("bob")
    running = await world.file("running", priority=100)
    await world.take(ada)
    waiting = [await world.file(f"waiting {number}") for number in range(25)]
    await world.file("later", backlog=True)

    overview = await world.get("/api/overview")

    assert overview["tasks"] == {
        **dict.fromkeys(["blocked", "offered", "claimed", "paused", "completed", "failed", "cancelled"], 0),
        "running": 1,
        "pending": 25,
        "backlog": 1,
    }
    assert overview["agents"] == {"idle": 1, "busy": 1, "offline": 0}
    assert [task["id"] for task in overview["running"]] == [running]
    assert len(overview["waiting"]) == 20
    assert {task["id"] for task in overview["waiting"]} < set(waiting)


async def test_given_a_server_when_its_health_is_asked_then_it_tells_its_version(world: World) -> None:
    from agent_swarm import __version__

    assert await world.get("/health", token=None) == {"status": "ok", "version": __version__}
    assert await world.get("/ready", token=None) == {"status": "ok", "version": __version__}


async def test_given_requests_when_the_metrics_are_read_then_they_are_counted_by_route_and_not_by_path(
    world: World,
) -> None:
    task_id = await world.file()
    await world.get(f"/api/tasks/{task_id}")
    await world.call("GET", "/api/agents", token=None)

    page = (await world.call("GET", "/metrics")).text

    assert 'agent_swarm_http_requests_total{method="GET",route="/api/tasks/{id}",status="200"} 1.0' in page
    assert 'agent_swarm_tasks{status="pending"} 1.0' in page
    assert 'agent_swarm_agents{status="idle"} 0.0' in page
    assert 'agent_swarm_denials_total{reason="unauthenticated"} 1.0' in page
    assert task_id not in page


async def test_given_a_server_that_is_alone_when_the_metrics_are_read_then_its_bus_has_nothing_to_tell(
    world: World,
) -> None:
    page = (await world.call("GET", "/metrics")).text
    told = [line for line in page.splitlines() if line.startswith("agent_swarm_bus_")]
    assert len(told) == 5
    assert all(line.endswith(" 0.0") for line in told)


def test_given_a_bus_that_lost_notices_when_the_metrics_are_read_then_they_say_so() -> None:
    page = (
        build_app(unopened_store("memory:"), ServerSettings(), node=Node(TroubledBus()))
        .context.metrics.page({}, WithoutAgent())
        .decode()
    )
    assert "agent_swarm_bus_waiting 1.0" in page
    assert "agent_swarm_bus_dropped_total 2.0" in page
    assert "agent_swarm_bus_merged_total 3.0" in page
    assert "agent_swarm_bus_unreadable_total 4.0" in page
    assert "agent_swarm_bus_outages_total 5.0" in page


class TroubledBus(NoBus):
    """Has a figure of its own for everything."""

    def figures(self) -> BusFigures:
        return BusFigures(waiting=1, dropped=2, merged=3, unreadable=4, outages=5)
