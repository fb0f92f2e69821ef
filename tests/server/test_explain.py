"""Every state of a task that does not run explains itself, and names what would change that (rule T10)."""

from typing import Any

import pytest
from tests.server.world import World

from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.tasks import FailureClass, PauseReason

pytestmark = pytest.mark.anyio
STRANGER = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


async def explain(world: World, task_id: str) -> Any:
    told = await world.get(f"/api/tasks/{task_id}/explain")
    assert told["taskId"] == task_id
    assert told["summary"]
    for reason in told["reasons"]:
        assert reason["message"] and reason["unblock"]
    return told


async def only_reason(world: World, task_id: str, code: str) -> Any:
    told = await explain(world, task_id)
    assert [reason["code"] for reason in told["reasons"]] == [code]
    assert told["reasons"][0]["message"] in told["summary"]
    return told["reasons"][0]


async def test_given_a_task_in_the_backlog_when_it_is_explained_then_somebody_has_to_promote_it(world: World) -> None:
    reason = await only_reason(world, await world.file(backlog=True), "backlog")

    assert "promote" in reason["unblock"]


async def test_given_open_dependencies_when_it_is_explained_then_each_is_named_with_its_status(world: World) -> None:
    running = await world.file("dig", priority=100)
    await world.take(await world.register())
    waiting = await world.file("plant")

    told = await explain(world, await world.file(dependsOn=[running, waiting]))

    assert told["status"] == "blocked"
    assert [
        (reason["code"], reason["details"]["title"], reason["details"]["status"]) for reason in told["reasons"]
    ] == [
        ("dependencyOpen", "dig", "running"),
        ("dependencyOpen", "plant", "pending"),
    ]
    assert running in told["reasons"][0]["unblock"]


async def test_given_a_failed_dependency_that_is_waited_for_when_it_is_explained_then_the_policy_is_named(
    world: World,
) -> None:
    upstream = await world.file("dig")
    task_id = await world.file(dependsOn=[{"task": upstream, "onFailure": "wait"}])
    await world.fail(await world.take(await world.register()))

    reason = await only_reason(world, task_id, "dependencyFailed")

    assert reason["details"] == {"taskId": upstream, "title": "dig", "status": "failed", "onFailure": "wait"}


async def test_given_a_start_time_when_it_is_explained_then_the_time_is_named(world: World) -> None:
    await world.register()

    reason = await only_reason(world, await world.file(startAt="2027-01-15T08:01:00Z"), "startsLater")

    assert reason["details"] == {"at": "2027-01-15T08:01:00.000Z", "inSeconds": 60.0}


async def test_given_a_failed_try_when_it_is_explained_then_the_back_off_is_counted(world: World) -> None:
    task_id = await world.file()
    await world.fail(await world.take(await world.register()), FailureClass.AGENT, jitter=0.5)

    reason = await only_reason(world, task_id, "backoff")

    assert reason["details"] == {
        "at": "2027-01-15T08:00:01.000Z",
        "inSeconds": 1.0,
        "failures": 1,
        "maxAttempts": 3,
        "losses": 0,
        "maxLosses": 10,
    }
    assert "failure 1 of 3" in reason["message"]


async def test_given_a_start_time_and_no_agents_when_it_is_explained_then_both_are_named(world: World) -> None:
    told = await explain(world, await world.file(startAt="2027-01-15T08:01:00Z"))

    assert [reason["code"] for reason in told["reasons"]] == ["startsLater", "noAgents"]


async def test_given_no_agent_at_all_when_it_is_explained_then_one_has_to_be_started(world: World) -> None:
    reason = await only_reason(world, await world.file(), "noAgents")

    assert "agent-swarm worker" in reason["unblock"]


async def test_given_no_agent_that_fits_when_it_is_explained_then_the_nearest_and_what_it_lacks_are_named(
    world: World,
) -> None:
    await world.register("far")
    await world.register("near", tags=("gpu",), capabilities=("harness.codex",))
    task_id = await world.file(harness="script", requires={"tags": ["gpu", "linux"], "capabilities": ["net.*"]})

    reason = await only_reason(world, task_id, "noMatchingAgent")

    assert reason["details"]["missingTags"] == ["linux"]
    assert reason["details"]["missingCapabilities"] == ["harness.script", "net.*"]
    assert reason["details"]["nearestAgent"]["name"] == "near"
    assert "near" in reason["message"]


async def test_given_only_leads_when_it_is_explained_then_that_is_the_reason(world: World) -> None:
    await world.register("boss", role=AgentRole.LEAD)

    reason = await only_reason(world, await world.file(), "onlyLeads")

    assert reason["details"]["name"] == "boss"


async def test_given_fitting_agents_that_are_away_when_it_is_explained_then_they_are_named(world: World) -> None:
    task_id = await world.file()
    await world.sign_off(await world.register("ada"))
    await world.register("bob")
    world.clock.advance(31)

    reason = await only_reason(world, task_id, "agentsOffline")

    assert reason["details"]["count"] == 2
    assert "ada, bob" in reason["message"]


async def test_given_fitting_agents_that_are_busy_when_it_is_explained_then_who_with_what_is_named(
    world: World,
) -> None:
    ada = await world.register("ada")
    doing = await world.file("dig a hole")
    await world.take(ada)

    reason = await only_reason(world, await world.file(), "agentsBusy")

    assert reason["details"]["agents"] == [
        {"agentId": ada.id, "name": "ada", "tasks": [{"taskId": doing, "title": "dig a hole"}]}
    ]
    assert "ada ('dig a hole')" in reason["message"]


async def test_given_an_agent_with_a_free_slot_when_it_is_explained_then_it_is_about_to_start(world: World) -> None:
    ada = await world.register("ada", slots=2)
    await world.file()
    await world.take(ada)

    await only_reason(world, await world.file(), "aboutToStart")


async def test_given_an_addressed_agent_when_it_is_away_busy_or_unsuitable_then_that_is_named(world: World) -> None:
    ada = await world.register("ada")
    await world.register("bob", tags=("gpu",))

    lacking = await world.file(agentId=ada.id, requires={"tags": ["gpu"]})
    reason = await only_reason(world, lacking, "agentUnsuitable")
    assert "agent ada, which it is addressed to, lacks tag 'gpu'" in reason["message"]

    task_id = await world.file(agentId=ada.id)
    await only_reason(world, task_id, "aboutToStart")
    await world.take(ada)
    waiting = await world.file(agentId=ada.id)
    assert (await only_reason(world, waiting, "agentsBusy"))["details"]["count"] == 1
    await world.sign_off(ada)
    await only_reason(world, waiting, "agentsOffline")


async def test_given_a_task_paused_by_a_shutdown_when_it_is_explained_then_its_agent_and_the_pin_are_named(
    world: World,
) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.pause(await world.take(ada), PauseReason.SHUTDOWN)

    reason = await only_reason(world, task_id, "pausedByShutdown")

    assert reason["details"] == {"agentId": ada.id, "until": "2027-01-15T08:10:00.000Z"}
    assert "ada" in reason["message"]


async def test_given_a_paused_task_whose_agent_returned_when_it_is_explained_then_it_waits_for_that_agent(
    world: World,
) -> None:
    ada = await world.register("ada", slots=1)
    task_id = await world.file()
    await world.pause(await world.take(ada), PauseReason.SHUTDOWN)
    await world.register("ada", agent_id=ada.id)

    told = await explain(world, task_id)

    assert [reason["code"] for reason in told["reasons"]] == ["pinnedToResume", "aboutToStart"]


async def test_given_a_task_paused_by_a_person_when_it_is_explained_then_a_person_has_to_resume_it(
    world: World,
) -> None:
    task_id = await world.file()
    ada = await world.register()
    attempt = await world.take(ada)
    await world.post(f"/api/tasks/{task_id}/pause")
    assert (await only_reason(world, task_id, "pauseWanted"))["details"] == {"agentId": ada.id}
    await world.pause(attempt)

    reason = await only_reason(world, task_id, "pausedByPerson")

    assert "resume" in reason["unblock"]


async def test_given_a_task_at_work_when_it_is_explained_then_who_since_when_and_its_lease_are_told(
    world: World,
) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.claim(ada)

    claimed = await explain(world, task_id)
    assert [reason["code"] for reason in claimed["reasons"]] == ["starting"]
    assert "was claimed by agent ada since 2027-01-15T08:00:00.000Z" in claimed["summary"]
    assert "lease until 2027-01-15T08:00:30.000Z" in claimed["summary"]


async def test_given_a_task_that_has_ended_when_it_is_explained_then_its_outcome_is_told(world: World) -> None:
    ada = await world.register("ada")
    done, broken = await world.file("a", priority=100), await world.file("b")
    dependant = await world.file("c", dependsOn=[broken])
    unwanted = await world.file("d", priority=0)
    await world.complete(await world.take(ada))
    await world.fail(await world.take(ada))
    await world.post(f"/api/tasks/{unwanted}/cancel")

    completed = await explain(world, done)
    assert completed["reasons"] == []
    assert completed["summary"] == "it was completed by agent ada at 2027-01-15T08:00:00.000Z"
    failed = (await explain(world, broken))["reasons"][0]
    assert (failed["code"], failed["message"]) == ("failed", "it broke")
    assert "retry" in failed["unblock"]
    assert (await explain(world, dependant))["reasons"][0]["code"] == "failed"
    assert (await explain(world, unwanted))["reasons"][0]["code"] == "cancelled"


async def test_given_an_unknown_task_when_it_is_explained_then_it_is_unknown(world: World) -> None:
    assert (await world.call("GET", f"/api/tasks/{STRANGER}/explain")).json()["error"]["code"] == "unknownTask"
