"""SIGTERM: nothing new, time to finish, then a pause from which the next process goes on."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.tasks import AttemptOutcome, PauseReason, TaskStatus
from agent_swarm.protocol.pool import FrameType
from agent_swarm.testing.fake_pool import FakePool, Fault
from agent_swarm.testing.lifeline import CHILD, HOLD, Lifeline
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AT_ONCE = timedelta()
GOES_ON = "if [ -e here ]; then cat here; else echo was here > here; echo up; sleep 1000; fi"


async def is_up(server: FakePool, task_id: str) -> None:
    task = server.tasks[task_id]
    await server.until(lambda: task.attempts and "up" in task.attempt.texts())


async def test_given_a_short_run_when_the_worker_leaves_then_the_run_finishes_first(
    start_worker: StartWorker, signals: Path
) -> None:
    go_on = signals / "go-on"
    async with FakePool() as server, start_worker(server.url) as working:
        task_id = server.add_task(f"echo up; while [ ! -e {go_on} ]; do sleep 0.01; done; echo done")
        await is_up(server, task_id)
        working.worker.terminate()
        waiting = server.add_task("echo later")
        go_on.touch()
        assert await working.until_ended() == 0
        assert server.tasks[task_id].status is TaskStatus.COMPLETED
        assert server.tasks[waiting].status is TaskStatus.PENDING
        assert server.frames[-1].type is FrameType.BYE


async def test_given_a_long_run_when_the_time_is_over_then_it_is_paused_and_the_next_process_goes_on_in_its_workspace(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server:
        async with start_worker(server.url, shutdown_timeout=AT_ONCE) as working:
            task_id = server.add_task(GOES_ON)
            await is_up(server, task_id)
            assert await working.leave() == 0
        task = server.tasks[task_id]
        assert (task.status, task.state.pause_reason) == (TaskStatus.PAUSED, PauseReason.SHUTDOWN)
        async with start_worker(server.url):
            await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None and task.result.text == "was here"
        assert [attempt.outcome for attempt in task.attempts] == [AttemptOutcome.PAUSED, AttemptOutcome.COMPLETED]


async def test_given_a_conversation_when_it_was_paused_by_a_shutdown_then_the_next_attempt_goes_on_with_it(
    start_worker: StartWorker,
) -> None:
    script = "progress first\nrun echo up >> said\nwait-for go-on\nresult done"
    async with FakePool() as server:
        async with start_worker(server.url, shutdown_timeout=AT_ONCE, harness="script") as working:
            task_id = server.add_task(script, harness=None)
            task = server.tasks[task_id]
            workspace = working.worker.home.path / "runs" / task_id / "1" / "work"
            await until((workspace / "said").exists)
            assert await working.leave() == 0
        session = task.attempt.where["session"]
        assert session
        (workspace / "go-on").touch()
        async with start_worker(server.url, harness="script"):
            await server.until_status(task_id, TaskStatus.COMPLETED)
        started = [line for line in task.attempt.lines if line["kind"] == "started"]
        assert started[0]["data"]["session"] == session
        assert task.attempt.progress == []  # what was done is not done again


async def test_given_no_server_when_the_worker_leaves_then_the_next_process_delivers_the_pause_and_gets_the_task_back(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_swarm.worker.service.ACK_SECONDS", 0.1)
    async with FakePool() as server:
        async with start_worker(server.url, shutdown_timeout=AT_ONCE) as working:
            task_id = server.add_task(GOES_ON)
            await is_up(server, task_id)
            await server.stop()
            assert await working.leave() == 0
        assert server.tasks[task_id].status is TaskStatus.RUNNING
        await server.start()
        async with start_worker(server.url):
            task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert [attempt.outcome for attempt in task.attempts] == [AttemptOutcome.PAUSED, AttemptOutcome.COMPLETED]
        assert task.result is not None and task.result.text == "was here"


async def test_given_a_claim_on_its_way_when_the_worker_leaves_then_it_is_given_back(start_worker: StartWorker) -> None:
    async with FakePool() as server, start_worker(server.url) as working:
        await until(lambda: working.worker.health()["connected"])
        server.go_wrong(FrameType.CLAIMED, Fault.LOSE_REPLY)  # still in a buffer somewhere
        task_id = server.add_task("echo never")
        working.worker.terminate()
        agent = server.agents[working.worker.agent_id]
        await server.until(lambda: server.frames[-1].type is FrameType.WITHDRAW)
        server._send_claim(agent, server.tasks[task_id])
        assert await working.until_ended() == 0
        task = server.tasks[task_id]
        assert task.attempts[0].outcome is AttemptOutcome.RELEASED
        assert task.status is TaskStatus.PENDING


async def test_given_a_second_signal_when_the_worker_is_leaving_then_it_ends_at_once_with_its_agents(
    start_worker: StartWorker, signals: Path
) -> None:
    with Lifeline(signals) as lifeline:
        async with FakePool() as server, start_worker(server.url) as working:
            task_id = server.add_task(f"cd {signals}\n{HOLD}{CHILD}echo up; wait")
            await is_up(server, task_id)
            assert lifeline.is_held()
            working.worker.terminate()
            await until(lambda: working.worker.health()["draining"])
            working.worker.terminate()
            assert await working.until_ended() == 128 + 15
            assert not lifeline.is_held()
            kinds = {frame.type for frame in server.frames}
            assert not {FrameType.PAUSE, FrameType.BYE, FrameType.FAIL} & kinds


async def test_given_an_agent_that_does_not_stop_when_the_worker_leaves_then_it_is_killed_and_paused(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url, shutdown_timeout=AT_ONCE) as working:
        task_id = server.add_task("trap '' TERM INT; echo up; while :; do sleep 0.1; done")
        await is_up(server, task_id)
        assert await working.leave() == 0
        assert server.tasks[task_id].status is TaskStatus.PAUSED


async def test_given_a_worker_that_never_reached_a_server_when_it_is_told_to_leave_then_it_goes(
    start_worker: StartWorker,
) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with start_worker(url) as working:
        await until(lambda: working.worker._service is not None)
        assert await working.leave() == 0
    listener.close()
