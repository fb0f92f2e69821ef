"""What a worker does when the kill switch is used: real agents with daemons in real sandboxes, and the fake pool."""

from pathlib import Path

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.tasks import AttemptOutcome, PauseReason, TaskStatus
from agent_swarm.protocol.pool import FrameType
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.testing.lifeline import FAMILY, FAMILY_SIZE, HOLD, Lifeline
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_given_an_agent_with_daemons_when_everything_is_killed_then_nothing_of_it_is_left_and_that_is_confirmed(
    start_worker: StartWorker, signals: Path
) -> None:
    with Lifeline(signals) as lifeline:
        async with FakePool() as server, start_worker(server.url) as working:
            server.add_task(f"cd {signals}\n{HOLD}{FAMILY}wait")
            await lifeline.heard_from(FAMILY_SIZE)

            activation = server.kill()

            await lifeline.released()
            [confirmed] = await server.until(lambda: server.confirmed)
            assert (confirmed.activation, confirmed.runs) == (activation, 1)
            assert not working.worker.health()["running"]
            assert working.worker.health()["connected"]
            endings = {FrameType.COMPLETE, FrameType.FAIL, FrameType.PAUSE, FrameType.RELEASE}
            assert not endings & {frame.type for frame in server.frames}


async def test_given_a_killed_attempt_when_it_is_lifted_and_resumed_then_the_next_one_finds_its_files(
    start_worker: StartWorker, signals: Path
) -> None:
    async with FakePool() as server, start_worker(server.url) as working:
        wait = f"touch {signals}/here; [ -e {signals}/go ] || sleep 1000"
        task_id = server.add_task(f"echo one >> mine.txt\n{wait}\ncat mine.txt")
        await until((signals / "here").exists)
        instance = server.registrations[-1].instance_id
        server.kill()
        await server.until(lambda: server.confirmed)
        task = server.tasks[task_id]
        assert (task.status, task.state.pause_reason) == (TaskStatus.PAUSED, PauseReason.KILL)
        assert task.attempts[0].outcome is AttemptOutcome.KILLED

        (signals / "go").touch()
        server.lift()
        other = server.add_task("echo flows")
        await server.until_status(other, TaskStatus.COMPLETED)
        server.confirm_killed(task_id)
        server.resume(task_id)

        await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.attempt.texts() == ["one", "one"], "it went on in the same folder"
        assert server.registrations[-1].instance_id == instance, "it was not restarted"
        assert working.worker.health()["connected"]


async def test_given_a_server_that_is_away_when_the_worker_finds_it_again_then_the_kill_comes_before_anything_else(
    start_worker: StartWorker, signals: Path
) -> None:
    with Lifeline(signals) as lifeline:
        async with FakePool() as server, start_worker(server.url):
            server.add_task(f"cd {signals}\n{HOLD}{FAMILY}wait")
            await lifeline.heard_from(FAMILY_SIZE)
            await server.stop()
            server.kill()
            assert lifeline.is_held()

            await server.start()

            await lifeline.released()
            await server.until(lambda: server.confirmed)


async def test_given_a_worker_without_runs_when_everything_is_killed_twice_then_it_confirms_and_takes_no_claim(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        await server.until(lambda: any(agent.credits for agent in server.agents.values()))
        server.kill()
        await server.until(lambda: server.confirmed)
        server.add_task("echo waits")
        server.kill()
        await server.until(lambda: len(server.confirmed) == 2)
        assert [confirmed.runs for confirmed in server.confirmed] == [0, 0]
