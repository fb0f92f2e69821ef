"""Every attempt that looks stuck says what it is: quiet, cut off, not begun, not delivered (rule T10)."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.server.test_explain import explain, only_reason
from tests.server.world import START, World, opened

from agent_swarm.domain import commands
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.store.operations import FindUnserved, ReportProgress

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> Any:
    address = "memory:" if request.param == "memory" else tmp_path / "swarm.sqlite"
    async with opened(tmp_path, address=address) as world:
        yield world


def at(seconds: float) -> str:
    return to_wire(START + int(seconds * SECOND))


async def test_given_a_claimed_task_when_it_is_explained_then_its_agent_has_not_begun(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.claim(ada)
    world.clock.advance(5)
    reason = await only_reason(world, task_id, "starting")
    assert reason["details"] == {"agentId": ada.id, "claimedAt": at(0)}
    assert "agent ada prepares it and has not begun yet" in reason["message"]


async def test_given_a_worker_that_missed_a_heartbeat_when_it_is_explained_then_since_when_and_the_lapse_are_told(
    world: World,
) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.take(ada)
    world.clock.advance(16)
    reason = await only_reason(world, task_id, "workerSilent")
    assert reason["details"] == {
        "agentId": ada.id,
        "since": at(0),
        "leaseExpiresAt": at(30),
        "losses": 0,
        "maxLosses": 10,
    }
    assert "when its lease lapses, it is queued again (loss 1 of 10)" in reason["message"]
    assert "delivers what it has ready" in reason["unblock"]


async def test_given_a_worker_that_left_with_a_task_when_it_is_explained_then_its_goodbye_is_told(
    world: World,
) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.take(ada)
    await world.sign_off(ada)
    reason = await only_reason(world, task_id, "workerSilent")
    assert f"said goodbye at {at(0)}" in reason["message"]


async def test_given_a_lease_that_has_lapsed_when_nobody_has_taken_it_back_yet_then_that_is_told(
    world: World,
) -> None:
    task_id = await world.file()
    await world.take(await world.register("ada"))
    world.clock.advance(31)  # the server has just started: it leaves leases alone for one lease
    told = await explain(world, task_id)
    assert [reason["code"] for reason in told["reasons"]] == ["leaseLapsed", "workerSilent"]
    assert told["reasons"][0]["details"] == {"leaseExpiresAt": at(30), "losses": 0, "maxLosses": 10}
    assert "waits one lease first" in told["reasons"][0]["unblock"]


async def test_given_an_agent_that_shows_nothing_when_its_worker_renews_the_lease_then_it_is_quiet_and_not_lost(
    world: World,
) -> None:
    ada = await world.register("ada")
    task_id = await world.file(timeoutSeconds=3600)
    claim = await world.take(ada)
    for _ in range(31):
        world.clock.advance(10)
        await world.beat(ada, claim)
    reason = await only_reason(world, task_id, "agentQuiet")
    assert reason["details"] == {
        "agentId": ada.id,
        "since": at(0),
        "lastSeenAt": at(310),
        "timeoutAt": at(3600),
    }
    assert "it is quiet, not lost" in reason["message"]
    assert f"its timeout ends it at {at(3600)}" in reason["unblock"]
    progress = ReportProgress(task_id=task_id, fence=claim.fence, text="half way", actor="agent:ada")
    await world.store.apply(progress)
    assert (await explain(world, task_id))["reasons"] == []


async def test_given_an_agent_whose_transcript_grows_when_it_is_explained_then_it_is_not_quiet(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    claim = await world.take(ada)
    world.clock.advance(600)
    await world.beat(ada, claim)
    await only_reason(world, task_id, "agentQuiet")
    path = await transcribe(world, task_id, "text")
    os.utime(path, (world.clock.at / SECOND - 60,) * 2)
    assert (await explain(world, task_id))["reasons"] == []
    os.utime(path, (world.clock.at / SECOND - 400,) * 2)
    assert (await only_reason(world, task_id, "agentQuiet"))["details"]["since"] == at(200)


async def test_given_an_agent_that_has_ended_when_its_result_is_not_there_then_it_is_on_its_way(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    claim = await world.take(ada)
    path = await transcribe(world, task_id, "ended")
    os.utime(path, (world.clock.at / SECOND,) * 2)
    world.clock.advance(5)
    await world.beat(ada, claim)
    reason = await only_reason(world, task_id, "resultNotDelivered")
    assert reason["details"] == {"agentId": ada.id, "endedAt": at(0)}
    await world.complete(claim)
    assert (await explain(world, task_id))["reasons"] == []


async def transcribe(world: World, task_id: str, kind: str) -> Path:
    transcripts = world.app.context.transcripts
    line = {"at": to_wire(world.clock.at), "kind": kind, "data": {}}
    await transcripts.append(task_id, 1, 0, [line], now=world.clock.at)
    return transcripts._root / task_id / "1.jsonl"


async def test_given_a_pause_that_was_asked_for_when_the_worker_is_silent_then_its_lapse_pauses_it(
    world: World,
) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.take(ada)
    await world.post(f"/api/tasks/{task_id}/pause")
    assert "has not said yet" in (await only_reason(world, task_id, "pauseWanted"))["message"]
    world.clock.advance(16)
    told = await explain(world, task_id)
    assert [reason["code"] for reason in told["reasons"]] == ["workerSilent", "pauseWanted"]
    assert "when its lease lapses, it is paused" in told["summary"]


async def test_given_a_cancel_that_the_worker_has_not_heard_of_when_it_is_explained_then_it_may_still_run(
    world: World,
) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.take(ada)
    world.clock.advance(5)
    await world.post(f"/api/tasks/{task_id}/cancel")
    told = await explain(world, task_id)
    assert [reason["code"] for reason in told["reasons"]] == ["cancelled", "cancelNotHeard"]
    assert told["reasons"][1]["details"] == {"agentId": ada.id, "lastSeenAt": at(0), "cancelledAt": at(5)}
    world.clock.advance(5)
    await world.beat(ada)
    assert [reason["code"] for reason in (await explain(world, task_id))["reasons"]] == ["cancelled"]


async def test_given_failures_and_losses_when_it_is_explained_then_what_is_left_is_counted(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file(maxAttempts=4)
    assert (await explain(world, task_id))["attempts"]["made"] == 0
    await world.fail(await world.take(ada), FailureClass.AGENT)
    world.clock.advance(3600)
    await world.register("ada", agent_id=ada.id)
    told = await explain(world, task_id)
    counts = {"made": 1, "failures": 1, "failuresLeft": 3, "losses": 0, "lossesLeft": 10}
    assert told["attempts"] == counts


async def test_given_a_back_off_that_is_over_when_its_timer_has_not_run_then_its_time_has_come(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file(startAt=at(60))
    world.clock.advance(60)
    await world.beat(ada)
    await only_reason(world, task_id, "timerDue")


async def test_given_a_free_agent_that_does_not_ask_when_the_task_has_waited_then_that_is_named(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await only_reason(world, task_id, "aboutToStart")
    world.clock.advance(16)
    await world.beat(ada)
    reason = await only_reason(world, task_id, "agentsNotAsking")
    assert reason["details"] == {"agents": [ada.id], "since": at(0)}
    assert "ada could take it and has not asked for work" in reason["message"]


async def test_given_a_task_that_nobody_could_take_when_it_is_explained_then_since_when_is_told(world: World) -> None:
    task_id = await world.file(requires={"tags": ["gpu"]})
    await world.store.apply(FindUnserved(patience=300 * SECOND, silence=30 * SECOND))
    world.clock.advance(60)
    reason = await only_reason(world, task_id, "noAgents")
    assert reason["details"] == {"since": at(0)}
    assert f"since {at(0)}" in reason["message"]


async def test_given_a_backlog_task_with_open_dependencies_when_it_is_explained_then_both_are_named(
    world: World,
) -> None:
    upstream = await world.file()
    told = await explain(world, await world.file(backlog=True, dependsOn=[upstream]))
    assert [reason["code"] for reason in told["reasons"]] == ["backlog", "dependencyOpen"]


async def test_given_a_pin_when_its_agent_stays_away_then_until_when_it_waits_is_told(world: World) -> None:
    ada = await world.register("ada")
    task_id = await world.file()
    await world.pause(await world.take(ada), PauseReason.SHUTDOWN)
    await world.store.apply(resume_of(task_id, ada.id))
    await world.sign_off(ada)
    told = await explain(world, task_id)
    assert [reason["code"] for reason in told["reasons"]] == ["pinnedToResume", "agentsOffline"]
    assert told["reasons"][0]["details"] == {"agentId": ada.id, "until": at(600)}


def resume_of(task_id: str, agent_id: str) -> Any:
    from agent_swarm.store.operations import TaskCommand

    return TaskCommand(command=commands.Resume(task_id=task_id, agent_id=agent_id), actor=f"agent:{agent_id}")
