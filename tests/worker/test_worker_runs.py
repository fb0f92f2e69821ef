"""Attempts from claim to result: real shells in real sandboxes, against the fake pool."""

from pathlib import Path

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.tasks import AttemptOutcome, PauseReason, TaskStatus
from agent_swarm.protocol import pool
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.testing.lifeline import FAMILY, FAMILY_SIZE, HOLD, Lifeline
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


async def test_given_a_script_when_it_ends_well_then_its_last_output_is_the_result(start_worker: StartWorker) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task("echo one\necho two")
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None
        assert task.result.text == "one\ntwo"
        assert task.attempt.texts() == ["one", "two"]
        assert [line["kind"] for line in task.attempt.lines] == ["started", "log", "log", "ended"]


async def test_given_a_recording_that_is_asked_for_in_vain_when_the_task_runs_then_its_transcript_says_why(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task("echo one", labels=["record"])
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert "not recorded, as shell was asked to be: it asks no model" in task.attempt.lines[0]["data"]["text"]


async def test_given_a_script_when_it_fails_then_the_attempt_fails_as_the_agents_fault(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task("echo oh no >&2\nexit 3")
        attempt = (await server.until(lambda: server.tasks[task_id].attempts))[0]
        await server.until(lambda: attempt.outcome)
        assert attempt.outcome is AttemptOutcome.FAILED
        assert attempt.code == "exitCode"
        assert "exit code 3" in attempt.message and "oh no" in attempt.message


async def test_given_two_slots_when_two_tasks_wait_for_each_other_then_both_run_at_once(
    start_worker: StartWorker, signals: Path
) -> None:
    async with FakePool() as server, start_worker(server.url, slots=2):
        meet = "touch {me}; while [ ! -e {other} ]; do sleep 0.01; done"
        first, second = signals / "first", signals / "second"
        tasks = [
            server.add_task(meet.format(me=first, other=second)),
            server.add_task(meet.format(me=second, other=first)),
        ]
        for task_id in tasks:
            await server.until_status(task_id, TaskStatus.COMPLETED)


async def test_given_a_time_limit_when_the_agent_runs_longer_then_it_is_ended_and_fails(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task("echo begun; sleep 1000", timeout_seconds=0.3)
        attempt = (await server.until(lambda: server.tasks[task_id].attempts))[0]
        await server.until(lambda: attempt.outcome)
        assert (attempt.outcome, attempt.code) == (AttemptOutcome.FAILED, "timeout")
        assert attempt.texts() == ["begun"]


async def test_given_an_agent_with_daemons_when_the_task_is_cancelled_then_all_of_them_end_and_nothing_is_reported(
    start_worker: StartWorker, signals: Path
) -> None:
    with Lifeline(signals) as lifeline:
        async with FakePool() as server, start_worker(server.url) as working:
            task_id = server.add_task(f"cd {signals}\n{HOLD}{FAMILY}wait")
            await lifeline.heard_from(FAMILY_SIZE)
            server.cancel(task_id)
            await lifeline.released()
            await until(lambda: not working.worker.health()["running"])
            kinds = {frame.type for frame in server.frames}
            assert not {pool.FrameType.COMPLETE, pool.FrameType.FAIL, pool.FrameType.PAUSE} & kinds
            assert server.tasks[task_id].status is TaskStatus.CANCELLED


@pytest.mark.parametrize("by_command", [True, False], ids=["by command", "by heartbeat"])
async def test_given_a_pause_that_a_person_asks_for_when_the_task_is_resumed_then_it_goes_on_in_its_workspace(
    start_worker: StartWorker, by_command: bool
) -> None:
    async with FakePool(heartbeat_seconds=0.1) as server, start_worker(server.url):
        task_id = server.add_task("if [ -e here ]; then cat here; else echo was here > here; echo up; sleep 1000; fi")
        await server.until(lambda: server.tasks[task_id].attempts and "up" in server.tasks[task_id].attempt.texts())
        server.pause(task_id, by_command=by_command)
        task = await server.until_status(task_id, TaskStatus.PAUSED)
        assert task.state.pause_reason is PauseReason.PERSON
        server.resume(task_id)
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None and task.result.text == "was here"
        assert [attempt.outcome for attempt in task.attempts] == [AttemptOutcome.PAUSED, AttemptOutcome.COMPLETED]


async def test_given_a_prompt_of_900_kb_when_it_is_claimed_then_the_agent_gets_all_of_it(
    start_worker: StartWorker,
) -> None:
    prompt = "wc -c < $0\n: '" + "x" * 900_000 + "'"
    async with FakePool() as server, start_worker(server.url):
        task = await server.until_status(server.add_task(prompt), TaskStatus.COMPLETED)
        assert task.result is not None and int(task.result.text) == len(prompt)


async def test_given_a_harness_that_is_not_here_when_claimed_then_the_attempt_fails_as_the_infrastructures_fault(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task("hello", harness="codex")
        attempt = (await server.until(lambda: server.tasks[task_id].attempts))[0]
        await server.until(lambda: attempt.outcome)
        failed = next(frame for frame in server.frames if frame.type is pool.FrameType.FAIL)
        assert (failed.body["failure"], failed.body["code"]) == ("infrastructure", "harnessUnavailable")


async def test_given_instructions_when_the_agent_starts_then_they_are_in_a_file_that_a_variable_names(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task('cat "$AGENT_SWARM_INSTRUCTIONS"', instructions="tabs, not spaces")
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None
        assert "tabs, not spaces" in task.result.text
        plain = await server.until_status(server.add_task('echo "[$AGENT_SWARM_INSTRUCTIONS]"'), TaskStatus.COMPLETED)
        assert plain.result is not None
        assert "[]" in plain.result.text


async def test_given_dependencies_when_the_agent_starts_then_their_results_are_in_a_file_outside_the_workspace(
    start_worker: StartWorker,
) -> None:
    upstream = {"task_id": "11111111-1111-4111-8111-111111111111", "title": "Measure", "text": "it is 42 long"}
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task(
            'cat "$AGENT_SWARM_DEPENDENCIES"; case "$AGENT_SWARM_DEPENDENCIES" in "$WORKSPACE"/*) exit 1;; esac',
            dependencies=[upstream],
        )
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None
        assert "Measure" in task.result.text and "it is 42 long" in task.result.text


async def test_given_a_script_agent_when_it_reports_usage_and_progress_then_the_server_has_both(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url, harness="script"):
        task_id = server.add_task("progress half way\nusage input=10 output=20 cost=0.5", harness=None)
        attempt = (await server.until(lambda: server.tasks[task_id].attempts))[0]
        await server.until(lambda: attempt.outcome)
        assert attempt.progress == ["half way"]
        assert [(one.seq, one.input_tokens, one.output_tokens) for one in attempt.usage.values()] == [(0, 10, 20)]


async def test_given_an_agent_when_it_prints_its_token_then_the_server_never_sees_it(start_worker: StartWorker) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task("echo token is $AGENT_SWARM_TOKEN; echo $AGENT_SWARM_TASK_ID")
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.attempt.texts() == ["token is [redacted]", task_id]
        assert task.result is not None and task.result.text == f"token is [redacted]\n{task_id}"


async def test_given_a_finished_attempt_when_the_server_has_it_then_nothing_of_it_stays_on_disk(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url) as working:
        await server.until_status(server.add_task("echo > file"), TaskStatus.COMPLETED)
        assert await working.leave() == 0
        patterns = ("attempts/*", "runs/*", "sandbox/processes/*")
        assert not [left for pattern in patterns for left in working.worker.home.path.glob(pattern)]
