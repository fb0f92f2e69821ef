"""What the network and the server do to a worker, and that nothing is lost by it."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.errors import InvalidInput, TooLarge
from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.protocol.pool import FrameType
from agent_swarm.testing.fake_pool import FakePool, Fault
from agent_swarm.testing.waiting import until
from agent_swarm.worker.link import LinkLost, readable

pytestmark = pytest.mark.anyio

SCRIPT = "progress begun\nrun echo working\nusage input=1 output=2"
KINDS = [
    FrameType.HELLO,
    FrameType.CREDIT,
    FrameType.HEARTBEAT,
    FrameType.START,
    FrameType.EVENTS,
    FrameType.PROGRESS,
    FrameType.USAGE,
    FrameType.COMPLETE,
]


EVERY_FAULT_ON_A_WEBSOCKET = [(kind, fault, False) for kind in KINDS for fault in Fault]
WORST_FAULTS_ON_LONG_POLLS = [
    (kind, fault, True)
    for kind in (FrameType.HELLO, FrameType.START, FrameType.COMPLETE)
    for fault in (Fault.DROP_AFTER, Fault.LOSE_REPLY)
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fault", "refuses_upgrade"),
    EVERY_FAULT_ON_A_WEBSOCKET + WORST_FAULTS_ON_LONG_POLLS,
    ids=lambda value: ("long-poll" if value else "websocket") if isinstance(value, bool) else value.name.lower(),
)
async def test_given_any_fault_at_any_frame_when_the_worker_goes_on_then_the_result_is_accepted_once(
    start_worker: StartWorker, kind: FrameType, fault: Fault, refuses_upgrade: bool
) -> None:
    async with FakePool(heartbeat_seconds=0.3) as server:
        server.refuses_upgrade = refuses_upgrade
        server.go_wrong(kind, fault)
        async with start_worker(server.url, harness="script"):
            task_id = server.add_task(SCRIPT, harness=None)
            task = await server.until_status(task_id, TaskStatus.COMPLETED)
            await server.until(lambda: task.attempt.usage)
            another = await server.until_status(server.add_task("", harness="noop"), TaskStatus.COMPLETED)
    assert (task.results, len(task.attempts), len(another.attempts)) == (1, 1, 1)
    assert task.attempt.progress[-1] == "begun"
    assert [usage.input_tokens for usage in task.attempt.usage.values()] == [1]
    kinds = [line["kind"] for line in task.attempt.lines]
    assert (kinds[0], kinds[-1], kinds.count("toolCall")) == ("started", "ended", 1)


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.DOUBLE_REPLY], ids=["lost", "doubled"])
async def test_given_a_claim_that_gets_lost_or_doubled_when_the_worker_reconnects_then_the_attempt_runs_once(
    start_worker: StartWorker, fault: Fault
) -> None:
    async with FakePool() as server, start_worker(server.url):
        await server.until(lambda: server.agents)
        server.go_wrong(FrameType.CLAIMED, fault)
        task_id = server.add_task("echo once")
        await server.until(lambda: server.tasks[task_id].attempts)
        server.break_connections()
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.attempt.texts() == ["once"]
        assert [attempt.outcome for attempt in task.attempts] == [AttemptOutcome.COMPLETED]


async def test_given_a_server_that_is_away_for_a_while_when_it_comes_back_then_nothing_of_the_run_is_lost(
    start_worker: StartWorker, tmp_path: Path, signals: Path
) -> None:
    go_on = signals / "go-on"
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task(f"echo before; while [ ! -e {go_on} ]; do sleep 0.01; done; echo meanwhile")
        attempt = (await server.until(lambda: server.tasks[task_id].attempts))[0]
        await server.until(lambda: "before" in attempt.texts())
        await server.stop()
        go_on.touch()
        await until(lambda: _spooled(tmp_path, "complete"))
        assert server.tasks[task_id].status is TaskStatus.RUNNING
        await server.start()
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.attempt.texts() == ["before", "meanwhile"]
        assert (task.results, len(task.attempts)) == (1, 1)


async def test_given_a_server_that_answers_503_when_it_recovers_then_the_worker_registers_and_works(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server:
        server.is_unavailable = True
        async with start_worker(server.url) as working:
            task_id = server.add_task("echo late")
            await until(lambda: working.worker.health()["connected"] is False)
            server.is_unavailable = False
            await server.until_status(task_id, TaskStatus.COMPLETED)


async def test_given_a_revoked_token_when_a_run_is_under_way_then_the_worker_registers_again_with_it_and_finishes(
    start_worker: StartWorker, signals: Path
) -> None:
    go_on = signals / "go-on"
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task(f"echo up; while [ ! -e {go_on} ]; do sleep 0.01; done")
        await server.until(lambda: server.tasks[task_id].attempts and server.tasks[task_id].attempt.lines)
        server.forget_tokens()
        await server.until(lambda: len(server.registrations) == 2)
        go_on.touch()
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        first, second = server.registrations
        assert first.instance_id == second.instance_id
        assert [(lease.task_id, lease.fence) for lease in second.held] == [(task_id, task.attempt.fence)]
        assert len(task.attempts) == 1


async def test_given_a_token_that_was_revoked_while_the_worker_was_away_when_it_comes_back_then_it_registers_again(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        await server.until(lambda: any(agent.credits for agent in server.agents.values()))
        await server.stop()
        server.forget_tokens()
        await server.start()
        await server.until_status(server.add_task("true"), TaskStatus.COMPLETED)
        assert len(server.registrations) == 2


@pytest.mark.parametrize("refuses_upgrade", [False, True], ids=["websocket", "long poll"])
async def test_given_another_process_of_the_agent_when_it_registers_then_this_one_ends_everything_with_exit_code_3(
    start_worker: StartWorker, refuses_upgrade: bool
) -> None:
    async with FakePool(heartbeat_seconds=0.2, long_poll_seconds=0.2) as server:
        server.refuses_upgrade = refuses_upgrade
        async with start_worker(server.url) as working:
            task_id = server.add_task("echo up; sleep 1000")
            await server.until(lambda: server.tasks[task_id].attempts and server.tasks[task_id].attempt.lines)
            server.supersede(working.worker.agent_id)
            assert await working.until_ended() == 3


async def test_given_a_proxy_that_knows_no_websockets_when_it_is_the_only_way_then_the_worker_works_through_it(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakePool() as server:
        monkeypatch.setenv("http_proxy", server.url)
        async with start_worker("http://pool.invalid"):
            await server.until_status(server.add_task("echo through"), TaskStatus.COMPLETED)
    assert FrameType.HEARTBEAT in {frame.type for frame in server.frames}


async def test_given_a_profile_the_server_does_not_accept_when_the_worker_registers_then_it_ends_with_exit_code_1(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server:
        server.refuses_registration = InvalidInput("no such template")
        async with start_worker(server.url) as working:
            assert await working.until_ended() == 1


async def test_given_a_setting_that_the_protocol_does_not_take_when_the_worker_starts_then_it_ends_with_exit_code_1(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url, role="x" * 200) as working:
        assert await working.until_ended() == 1
        assert server.registrations == []


async def test_given_a_wrong_key_when_the_worker_starts_then_it_ends_with_exit_code_1(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url, api_key="not-the-key") as working:
        assert await working.until_ended() == 1


async def test_given_no_server_when_the_worker_may_wait_only_so_long_then_it_ends_with_exit_code_1(
    start_worker: StartWorker, unused_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    async with start_worker(url, connect_timeout=timedelta(seconds=0.1)) as working:
        assert await working.until_ended() == 1


async def test_given_a_result_the_server_cannot_take_when_refused_then_the_attempt_fails_instead_of_hanging(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        server.go_wrong(FrameType.COMPLETE, TooLarge("this result is too large"))
        task_id = server.add_task("echo fine")
        attempt = (await server.until(lambda: server.tasks[task_id].attempts))[0]
        await server.until(lambda: attempt.outcome)
        assert (attempt.outcome, attempt.code) == (AttemptOutcome.FAILED, "resultRefused")


async def test_given_a_refused_frame_when_more_follow_then_the_queue_goes_on(start_worker: StartWorker) -> None:
    async with FakePool() as server, start_worker(server.url, harness="script"):
        server.go_wrong(FrameType.PROGRESS, InvalidInput("no such progress"))
        server.go_wrong(FrameType.USAGE, InvalidInput("no such usage"))
        task = await server.until_status(server.add_task(SCRIPT, harness=None), TaskStatus.COMPLETED)
        assert task.results == 1


async def test_given_lines_the_server_lost_when_it_names_the_gap_then_they_are_sent_again(
    start_worker: StartWorker, signals: Path
) -> None:
    go_on = signals / "go-on"
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task(f"echo one; echo two; while [ ! -e {go_on} ]; do sleep 0.01; done; echo three")
        await server.until(lambda: server.tasks[task_id].attempts and len(server.tasks[task_id].attempt.lines) == 3)
        del server.tasks[task_id].attempt.lines[1:]
        go_on.touch()
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.attempt.texts() == ["one", "two", "three"]


async def test_given_a_lease_that_was_taken_away_when_the_worker_hears_of_it_then_the_run_ends_and_the_next_starts_over(
    start_worker: StartWorker, signals: Path
) -> None:
    async with FakePool(heartbeat_seconds=0.1) as server, start_worker(server.url):
        task_id = server.add_task(f"if mkdir {signals}/seen; then echo up; sleep 1000; else echo over; fi")
        await server.until(lambda: server.tasks[task_id].attempts and "up" in server.tasks[task_id].attempt.texts())
        server.take_away(task_id)
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert [attempt.outcome for attempt in task.attempts] == [AttemptOutcome.LOST, AttemptOutcome.COMPLETED]
        assert task.attempt.texts() == ["over"]


def test_given_a_frame_that_only_newer_workers_know_when_received_then_it_is_ignored_and_nonsense_is_not() -> None:
    assert readable({"id": "1", "type": "confetti", "body": {}, "v": 1}) is None
    for nonsense in ("x", {}, {"type": "claimed"}, {"id": 1, "type": 2}):
        with pytest.raises(LinkLost):
            readable(nonsense)


def _spooled(folder: Path, kind: str) -> bool:
    with contextlib.suppress(OSError):
        return any(f'"k":"{kind}"' in path.read_text() for path in folder.rglob("spool.jsonl"))
    return False


@pytest.fixture
async def unused_port() -> int:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    return port
