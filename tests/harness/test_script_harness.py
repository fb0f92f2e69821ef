"""Harness `script`: its agent as a real process, and the parser of its stream."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.harness.base import EventKind, Outcome
from agent_swarm.harness.script import ScriptHarness, parse_line
from agent_swarm.sandbox.base import Sandbox
from agent_swarm.testing.harness_contract import (
    EVENT_KEYS,
    AgentContract,
    Finished,
    HarnessFixtures,
    MakeTurn,
    RunPrompt,
    Transcript,
)
from agent_swarm.testing.task_server import TOKEN, TaskServer, serving
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SANDBOXES = ("process", "bubblewrap")


@pytest.fixture
def harness() -> ScriptHarness:
    return ScriptHarness()


@pytest.fixture
def server() -> Iterator[TaskServer]:
    with serving() as server:
        yield server


@pytest.fixture
def repository(workspace: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(workspace)], check=True)
    return workspace


class TestContract(AgentContract):
    """The suite that every harness passes."""

    good = "say hello\nprogress 50% half\nusage input=1 output=2 cost=0.5 model=m\nrun echo hi\nresult done"
    failing = "fail no luck"
    endless = "write up <<END\nEND\nrun sleep 1000"


class TestSteps(HarnessFixtures):
    """One test per thing a script can do."""

    async def test_given_a_result_when_the_script_ends_then_it_is_the_tasks_result(self, run: RunPrompt) -> None:
        assert (await run("say one\nresult <<END\n42\n43\nEND\nsay two")).outcome == Outcome(ok=True, result="42\n43")

    async def test_given_no_result_when_the_script_ends_then_it_is_the_last_thing_said(self, run: RunPrompt) -> None:
        finished = await run("say one\nsay zwei: \u00e4\u20ac")
        assert finished.outcome.result == "zwei: \u00e4\u20ac"
        assert finished.transcript.texts() == ["one", "zwei: \u00e4\u20ac"]

    async def test_given_an_empty_script_when_it_is_run_then_it_succeeds(self, run: RunPrompt) -> None:
        assert (await run("")).outcome == Outcome(ok=True)

    @pytest.mark.parametrize(("script", "code"), [("say done", 0), ("fail no luck", 1)])
    async def test_given_a_script_when_it_is_over_then_its_process_ends_of_its_own_accord(
        self, run: RunPrompt, script: str, code: int
    ) -> None:
        [ended] = (await run(script)).transcript.of(EventKind.ENDED)
        assert ended.data == {"exit": f"exit code {code}"}

    async def test_given_progress_and_usage_when_they_are_reported_then_they_are_events_with_their_numbers(
        self, run: RunPrompt
    ) -> None:
        transcript = (await run("progress 50% half\nusage input=10 output=2 cost=0.01 model=m")).transcript
        assert transcript.of(EventKind.PROGRESS)[0].data == {"text": "half", "percent": 50}
        usage = {"inputTokens": 10, "outputTokens": 2, "costUsd": 0.01, "model": "m"}
        assert transcript.of(EventKind.USAGE)[0].data == usage

    async def test_given_a_command_when_it_is_run_then_call_and_result_are_told_with_its_output(
        self, run: RunPrompt
    ) -> None:
        transcript = (await run("run echo out; echo err >&2")).transcript
        [call], [result] = transcript.of(EventKind.TOOL_CALL), transcript.of(EventKind.TOOL_RESULT)
        assert (call.data["name"], call.data["input"]) == ("run", {"command": "echo out; echo err >&2"})
        assert result.data == {"id": call.data["id"], "ok": True, "output": "out\nerr\n"}

    async def test_given_a_command_that_fails_when_it_is_run_then_the_task_fails_there(
        self, run: RunPrompt, workspace: Path
    ) -> None:
        finished = await run("say before\nrun exit 3\nrun touch after")
        outcome = finished.outcome
        assert (outcome.failure, outcome.failure_code) == ("agent", "exitCode")
        assert outcome.message == "line 2: 'exit 3' ended with exit code 3"
        assert outcome.result == "before"
        assert not (workspace / "after").exists()

    async def test_given_a_command_that_is_only_tried_when_it_fails_then_the_script_goes_on(
        self, run: RunPrompt
    ) -> None:
        finished = await run("try run exit 3\nsay went on")
        assert finished.outcome == Outcome(ok=True, result="went on")
        assert finished.transcript.of(EventKind.TOOL_RESULT)[0].data["ok"] is False

    async def test_given_a_command_that_leaves_a_daemon_when_it_is_run_then_the_script_does_not_wait_for_it(
        self, run: RunPrompt
    ) -> None:
        assert (await run("run sleep 1000 & echo started\nsay went on")).outcome.result == "went on"

    async def test_given_a_command_with_odd_and_long_output_when_it_is_run_then_its_end_is_told_as_text(
        self, run: RunPrompt
    ) -> None:
        finished = await run("run head -c 100000 /dev/zero; printf '\\377end'")
        output = finished.transcript.of(EventKind.TOOL_RESULT)[0].data["output"]
        assert len(output) == 16_000
        assert output.endswith("\0\ufffdend")

    async def test_given_files_to_write_and_add_to_when_the_script_ends_then_the_workspace_has_them(
        self, run: RunPrompt, workspace: Path
    ) -> None:
        assert (await run("write a/b.txt <<END\none\nEND\nappend a/b.txt <<END\ntwo\nEND")).outcome.ok
        assert (workspace / "a" / "b.txt").read_text() == "one\ntwo\n"

    @pytest.mark.parametrize(
        "path", ["../out.txt", "/tmp/out-of-workspace.txt", "a/../../out.txt", "link/out.txt", "."]
    )
    async def test_given_a_path_out_of_the_workspace_when_it_is_written_then_it_is_refused_by_policy(
        self, run: RunPrompt, workspace: Path, tmp_path: Path, path: str
    ) -> None:
        (workspace / "link").symlink_to(tmp_path)
        outcome = (await run(f"write {path} <<END\nx\nEND")).outcome
        assert (outcome.failure, outcome.failure_code) == ("policy", "pathEscape")
        assert "expected a file inside the workspace" in outcome.message
        assert not any(target.exists() for target in (tmp_path / "out.txt", Path("/tmp/out-of-workspace.txt")))

    async def test_given_changes_when_they_are_committed_then_they_are_in_the_history_and_again_is_fine(
        self, run: RunPrompt, repository: Path
    ) -> None:
        script = 'write a.txt <<END\none\nEND\ncommit Add a "file"; it\'s new\ncommit Nothing left to do'
        assert (await run(script)).outcome.ok
        assert history(repository, "%s|%an") == 'Add a "file"; it\'s new|Script Agent\n'

    async def test_given_an_identity_in_the_environment_when_changes_are_committed_then_it_is_used(
        self, run: RunPrompt, repository: Path
    ) -> None:
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in ADA.items()}
        assert (await run("write a.txt <<END\none\nEND\ncommit Add a", **who)).outcome.ok
        assert history(repository, "%an") == "Ada\n"

    async def test_given_no_repository_when_something_is_committed_then_the_task_fails_and_says_so(
        self, run: RunPrompt
    ) -> None:
        outcome = (await run("commit Add a", GIT_CEILING_DIRECTORIES="/")).outcome
        assert outcome.failure_code == "commitFailed"
        assert "is the workspace a git repository?" in outcome.message

    async def test_given_a_file_to_wait_for_when_it_appears_then_the_script_goes_on(
        self, run: RunPrompt, workspace: Path
    ) -> None:
        running = asyncio.create_task(run("write up <<END\nEND\nwait-for go\nsay gone"))
        await until((workspace / "up").exists)
        (workspace / "go").touch()
        assert (await running).outcome.result == "gone"

    @pytest.mark.parametrize("failure", ["agent", "infrastructure", "policy"])
    async def test_given_a_failure_with_a_class_when_it_is_run_then_the_outcome_has_that_class(
        self, run: RunPrompt, failure: str
    ) -> None:
        outcome = (await run(f"fail {failure} no luck today")).outcome
        assert (outcome.ok, outcome.failure, outcome.message) == (False, failure, "line 1: no luck today")

    async def test_given_a_task_that_fails_until_its_second_attempt_when_it_is_tried_twice_then_it_succeeds(
        self, run: RunPrompt
    ) -> None:
        script = "fail-until-attempt 2 not yet\nsay at last"
        assert not (await run(script, attempt=1)).outcome.ok
        assert (await run(script, attempt=2)).outcome.ok

    async def test_given_a_script_that_is_none_when_it_is_run_then_nothing_of_it_runs_and_trying_again_is_pointless(
        self, run: RunPrompt, workspace: Path
    ) -> None:
        outcome = (await run("run touch ran\nsya hello")).outcome
        assert (outcome.failure, outcome.failure_code) == ("policy", "invalidScript")
        assert outcome.message.startswith("line 2: unknown step 'sya'; expected one of: say, ")
        assert not (workspace / "ran").exists()


def history(repository: Path, form: str) -> str:
    command = ["git", "log", f"--format={form}"]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout


ADA = {"NAME": "Ada", "EMAIL": "ada@example.org"}


class TestCreatingTasks(HarnessFixtures):
    """Against a real server."""

    async def test_given_a_task_to_create_when_the_script_runs_then_the_server_gets_it_with_the_attempts_token(
        self, run: RunPrompt, server: TaskServer
    ) -> None:
        script = 'create-task {"prompt": "say hi", "harness": "script"}'
        finished = await run(script, AGENT_SWARM_URL=server.url, AGENT_SWARM_TOKEN=TOKEN)
        assert finished.outcome.ok
        assert server.received == [("/api/tasks", {"prompt": "say hi", "harness": "script"})]
        assert json.loads(finished.transcript.of(EventKind.TOOL_RESULT)[0].data["output"]) == {"id": "task-1"}
        assert TOKEN not in json.dumps([event.data for event in finished.transcript.events])

    async def test_given_many_tasks_to_create_when_the_script_runs_then_they_go_in_one_batch(
        self, run: RunPrompt, server: TaskServer
    ) -> None:
        script = 'create-tasks <<END\n[{"prompt": "one"},\n {"prompt": "two"}]\nEND'
        assert (await run(script, AGENT_SWARM_URL=server.url + "/", AGENT_SWARM_TOKEN=TOKEN)).outcome.ok
        assert server.received == [("/api/tasks/batch", {"tasks": [{"prompt": "one"}, {"prompt": "two"}]})]

    async def test_given_two_tasks_to_create_when_the_script_runs_then_each_request_has_its_own_idempotency_key(
        self, run: RunPrompt, server: TaskServer
    ) -> None:
        script = 'create-task {"prompt": "same"}\ncreate-task {"prompt": "same"}'
        await run(script, AGENT_SWARM_URL=server.url, AGENT_SWARM_TOKEN=TOKEN)
        assert len(set(server.keys)) == 2

    @pytest.mark.parametrize(
        ("status", "body", "failure", "message"),
        [
            (422, {"error": {"message": "no prompt", "hint": "add one"}}, "agent", "answered 422: no prompt; add one"),
            (403, {"error": {"message": "not yours", "hint": ""}}, "agent", "answered 403: not yours"),
            (503, "upstream is away", "infrastructure", "answered 503: upstream is away"),
            (500, {"oops": 1}, "infrastructure", 'answered 500: {"oops": 1}'),
        ],
    )
    async def test_given_a_server_that_refuses_when_a_task_is_created_then_the_outcome_has_its_message(
        self, run: RunPrompt, server: TaskServer, status: int, body: Any, failure: str, message: str
    ) -> None:
        server.refusal = (status, body)
        outcome = (await run("create-task {}", AGENT_SWARM_URL=server.url, AGENT_SWARM_TOKEN=TOKEN)).outcome
        assert (outcome.failure, outcome.failure_code) == (failure, "refused")
        assert outcome.message == f"line 1: /api/tasks {message}"

    async def test_given_a_server_that_is_not_there_when_a_task_is_created_then_it_is_not_the_agents_fault(
        self, run: RunPrompt
    ) -> None:
        with serving() as gone:
            url = gone.url
        outcome = (await run("create-task {}", AGENT_SWARM_URL=url, AGENT_SWARM_TOKEN=TOKEN)).outcome
        assert (outcome.failure, outcome.failure_code) == ("infrastructure", "unreachable")

    async def test_given_an_address_that_is_not_http_when_a_task_is_created_then_it_is_not_opened(
        self, run: RunPrompt
    ) -> None:
        outcome = (await run("create-task {}", AGENT_SWARM_URL="file:///etc", AGENT_SWARM_TOKEN=TOKEN)).outcome
        assert outcome.failure_code == "noServer"
        assert "expected an address that begins with http://" in outcome.message

    async def test_given_no_server_in_the_environment_when_a_task_is_created_then_the_outcome_says_what_is_missing(
        self, run: RunPrompt
    ) -> None:
        outcome = (await run("create-task {}")).outcome
        assert outcome.failure_code == "noServer"
        assert "AGENT_SWARM_URL and AGENT_SWARM_TOKEN are not set" in outcome.message


class TestInterruptAndResume(HarnessFixtures):
    """A session that was interrupted goes on where it was."""

    @pytest.fixture
    def interrupt(self, harness: ScriptHarness, sandbox: Sandbox, make_turn: MakeTurn, workspace: Path) -> RunPrompt:
        async def interrupt_once_up(prompt: str) -> Finished:
            session = await harness.open(sandbox, make_turn(prompt))
            transcript = Transcript()
            running = asyncio.create_task(session.run(transcript))
            await until((workspace / "up").exists)
            await session.interrupt()
            return Finished(await running, transcript, session.handle)

        return interrupt_once_up

    @pytest.mark.parametrize(
        "step", ["run touch up; sleep 1000", "run touch up\nsleep 1000", "run touch up\nwait-for go"]
    )
    async def test_given_a_step_that_takes_long_when_it_is_interrupted_then_the_agent_says_so_itself(
        self, interrupt: RunPrompt, step: str
    ) -> None:
        finished = await interrupt(step)
        assert finished.outcome.failure_code == "interrupted"
        assert finished.outcome.message.startswith("interrupted at line")  # only said on SIGINT, the first rung

    async def test_given_a_command_when_it_is_interrupted_then_it_is_ended_and_its_call_has_a_result(
        self, interrupt: RunPrompt, workspace: Path
    ) -> None:
        finished = await interrupt("run trap 'touch cleaned; exit' TERM; touch up; while :; do sleep 0.02; done")
        assert (workspace / "cleaned").exists()
        assert finished.transcript.of(EventKind.TOOL_RESULT)[0].data["output"] == "interrupted"

    async def test_given_an_interrupted_session_when_it_is_resumed_then_it_goes_on_with_the_interrupted_step(
        self, interrupt: RunPrompt, run: RunPrompt, workspace: Path
    ) -> None:
        script = (
            "say first\nrun echo ran >> log\nresult kept\nrun touch up; [ -e go ] || sleep 1000\nrun echo last >> log"
        )
        interrupted = await interrupt(script)
        (workspace / "go").touch()
        resumed = await run(script, attempt=2, session=interrupted.handle)
        assert resumed.outcome == Outcome(ok=True, result="kept")
        assert resumed.handle == interrupted.handle
        assert (workspace / "log").read_text() == "ran\nlast\n"
        assert resumed.transcript.of(EventKind.TEXT) == []

    async def test_given_a_resumed_session_when_it_creates_the_task_again_then_the_key_is_the_same(
        self, run: RunPrompt, server: TaskServer
    ) -> None:
        env = {"AGENT_SWARM_URL": server.url, "AGENT_SWARM_TOKEN": TOKEN}
        server.refusal = (503, "the answer was lost")
        first = await run("create-task {}", **env)
        server.refusal = None
        again = await run("create-task {}", attempt=2, session=first.handle, **env)
        assert again.outcome.ok
        assert server.keys == [f"{first.handle}-0"] * 2

    async def test_given_a_finished_session_when_it_gets_another_script_then_that_begins_at_its_first_step(
        self, run: RunPrompt
    ) -> None:
        first = await run("say one")
        second = await run("say two", session=first.handle)
        assert (second.outcome.result, second.handle) == ("two", first.handle)

    @pytest.mark.parametrize("session", ["0198b2a4-0000-7000-8000-00000000dead", "../../etc/passwd"])
    async def test_given_a_session_that_is_unknown_when_it_is_resumed_then_the_script_begins_at_its_first_step(
        self, run: RunPrompt, session: str
    ) -> None:
        assert (await run("say one", session=session)).outcome.result == "one"


VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.none()) | st.just({})
)
LINES = st.fixed_dictionaries(
    {"type": st.sampled_from([kind.value for kind in EVENT_KEYS] + ["result"])},
    optional=dict.fromkeys(("text", "id", "name", "input", "ok", "output", "session", "class", "result"), VALUES),
).map(lambda body: json.dumps(body).encode())


class TestParser:
    """What the harness believes of a stream."""

    @given(st.binary() | LINES)
    def test_given_any_line_when_it_is_parsed_then_it_is_events_of_the_documented_shape_or_a_good_or_bad_outcome(
        self, line: bytes
    ) -> None:
        parsed = parse_line(line)
        assert len(parsed.events) == (0 if parsed.outcome else 1)

    @pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'{"type": "novel"}', b'{"type": ["text"]}', b"\xff"])
    def test_given_a_line_that_is_no_event_when_it_is_parsed_then_it_is_shown_as_a_log_line(self, line: bytes) -> None:
        [event] = parse_line(line).events
        assert event.kind is EventKind.LOG

    def test_given_fields_of_other_types_or_names_when_an_event_is_parsed_then_they_are_left_out(self) -> None:
        line = b'{"type": "usage", "inputTokens": true, "outputTokens": 2, "costUsd": "1", "secret": "x"}'
        [event] = parse_line(line).events
        assert event.data == {"outputTokens": 2}

    @pytest.mark.parametrize("body", [{"ok": "yes"}, {"ok": 1}, {}, {"ok": False, "class": "novel"}])
    def test_given_a_terminal_event_that_does_not_plainly_say_ok_when_it_is_parsed_then_the_agent_failed(
        self, body: dict[str, Any]
    ) -> None:
        outcome = parse_line(json.dumps({"type": "result", **body}).encode()).outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure) == (False, "agent")
