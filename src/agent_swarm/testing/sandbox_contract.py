"""What every sandbox provider promises, as tests.

A test module for a provider subclasses `SandboxContract` and supplies the fixture `provider`. The suite runs small `sh`
scripts with the workspace as their directory, and expects to see the workspace from outside.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent_swarm.sandbox.base import Exit, Launch, Process, Sandbox, SandboxCapability, SandboxProvider, SandboxSpec
from agent_swarm.sandbox.errors import SandboxError
from agent_swarm.testing.isolation_contract import AdmissionContract
from agent_swarm.testing.lifeline import CHILD, DAEMON, FAMILY, FAMILY_SIZE, HOLD, STUBBORN_CHILD, Lifeline
from agent_swarm.testing.waiting import until

StartScript = Callable[[str], Awaitable[Process]]

LONG, SHORT = timedelta(seconds=30), timedelta(milliseconds=100)


class SandboxFixtures:
    """A run of `provider`: its workspace, its sandbox, and a way to start scripts in it."""

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        (tmp_path / "workspace").mkdir()
        return tmp_path / "workspace"

    @pytest.fixture
    def spec(self, tmp_path: Path, workspace: Path) -> SandboxSpec:
        run_id = f"task-{os.urandom(4).hex()}.attempt-1"  # tests in several processes look at one host
        return SandboxSpec(run_id=run_id, workspace=workspace, state_dir=tmp_path / "state")

    @pytest.fixture
    async def sandbox(self, provider: SandboxProvider, spec: SandboxSpec) -> AsyncIterator[Sandbox]:
        sandbox = await provider.open(spec)
        yield sandbox
        await sandbox.close()

    @pytest.fixture
    def start(self, sandbox: Sandbox, workspace: Path) -> StartScript:
        async def start_script(script: str) -> Process:
            env = {"PATH": os.environ["PATH"]}
            return await sandbox.start(Launch(argv=("sh", "-c", script), cwd=workspace, env=env))

        return start_script

    @pytest.fixture
    def lifeline(self, workspace: Path) -> Iterator[Lifeline]:
        with Lifeline(workspace) as lifeline:
            yield lifeline

    @pytest.fixture
    def reaps(self, provider: SandboxProvider) -> None:
        if SandboxCapability.REAPS_DESCENDANTS not in provider.capabilities:
            pytest.skip(f"{provider.name} does not claim to reap descendants here")


class SandboxContract(AdmissionContract, SandboxFixtures):
    """Given a provider, when a run does this, then that. One that isolates has `IsolationContract` beside it."""

    async def test_given_this_host_when_the_provider_is_probed_then_it_is_usable(
        self, provider: SandboxProvider
    ) -> None:
        assert (await provider.probe()).usable

    # How a process ends.

    @pytest.mark.parametrize("code", [0, 1, 2, 127, 137, 143, 255])
    async def test_given_a_command_when_it_exits_then_its_code_is_told_exactly(
        self, start: StartScript, code: int
    ) -> None:
        process = await start(f"exit {code}")
        assert await process.wait() == Exit(code)

    @pytest.mark.parametrize("number", [2, 6, 9, 11, 15])
    async def test_given_a_command_when_a_signal_ends_it_then_the_signal_is_told_and_no_code(
        self, start: StartScript, number: int
    ) -> None:
        process = await start(f"kill -{number} $$")
        assert await process.wait() == Exit(None, number)

    async def test_given_an_ended_command_when_it_is_waited_for_stopped_or_killed_again_then_the_answer_is_the_same(
        self, start: StartScript
    ) -> None:
        process = await start("exit 3")
        answers = [await process.wait(), await process.stop(SHORT), await process.kill(), await process.wait()]
        process.interrupt()
        assert answers == [Exit(3)] * 4

    async def test_given_a_program_that_does_not_exist_when_it_is_started_then_the_error_names_it_and_says_what_to_do(
        self, sandbox: Sandbox, workspace: Path
    ) -> None:
        with pytest.raises(SandboxError, match=r"'no-such-agent'.*PATH '/usr/bin'") as refusal:
            await sandbox.start(Launch(argv=("no-such-agent",), cwd=workspace, env={"PATH": "/usr/bin"}))
        assert "install 'no-such-agent'" in refusal.value.hint

    async def test_given_a_directory_that_does_not_exist_when_a_command_is_started_there_then_the_error_names_it(
        self, sandbox: Sandbox, workspace: Path
    ) -> None:
        with pytest.raises(SandboxError, match="gone"):
            await sandbox.start(Launch(argv=("sh",), cwd=workspace / "gone", env={}))

    # What goes in and what comes out.

    async def test_given_a_launch_when_it_runs_then_it_sees_its_own_environment_and_nothing_of_the_workers(
        self, sandbox: Sandbox, workspace: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("API_KEY", "canary")
        process = await sandbox.start(Launch(argv=("/usr/bin/env",), cwd=workspace, env={"GREETING": "a b=c"}))
        names = {line.partition(b"=")[0].decode() async for line in process.lines()}
        assert {name for name in names if not name.startswith("AGENT_SWARM_")} == {"GREETING"}

    async def test_given_a_launch_when_it_runs_then_it_runs_in_its_directory(
        self, start: StartScript, workspace: Path
    ) -> None:
        process = await start("echo here > found")
        assert await process.wait() == Exit(0)
        assert (workspace / "found").read_text() == "here\n"

    async def test_given_output_when_it_is_read_then_it_comes_line_by_line_with_the_last_one_unfinished(
        self, start: StartScript
    ) -> None:
        process = await start("printf 'one\\n\\nthree\\r\\nfour'")
        assert [line async for line in process.lines()] == [b"one", b"", b"three\r", b"four"]

    async def test_given_output_that_is_not_utf8_when_it_is_read_then_the_bytes_are_untouched(
        self, start: StartScript
    ) -> None:
        process = await start("printf '\\377\\376\\000x\\n'")
        assert [line async for line in process.lines()] == [b"\xff\xfe\x00x"]

    async def test_given_a_line_of_100_kilobytes_when_it_is_read_then_it_comes_whole(self, start: StartScript) -> None:
        process = await start("head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
        assert [len(line) async for line in process.lines()] == [100_000, 3]

    async def test_given_output_that_nobody_reads_when_the_command_is_killed_then_the_kill_does_not_wait_for_a_reader(
        self, start: StartScript
    ) -> None:
        process = await start("cat /dev/zero")
        assert await process.kill() == Exit(None, 9)

    async def test_given_much_standard_error_when_it_is_asked_for_then_the_last_16_kib_of_it_are_told(
        self, start: StartScript
    ) -> None:
        process = await start("head -c 100000 /dev/zero | tr '\\0' x >&2; echo last words >&2")
        await process.wait()
        assert len(process.error_tail()) == 16 * 1024
        assert process.error_tail().endswith("xxx" + "last words\n")

    async def test_given_a_prompt_of_one_megabyte_when_it_is_sent_then_all_of_it_arrives(
        self, start: StartScript
    ) -> None:
        process = await start("wc -c")
        await process.write(b"x" * 1_000_000)
        await process.close_input()
        assert [line.strip() async for line in process.lines()] == [b"1000000"]

    async def test_given_a_command_that_ends_without_reading_when_it_is_sent_a_megabyte_then_it_is_dropped(
        self, start: StartScript
    ) -> None:
        process = await start("exit 0")
        await process.write(b"x" * 1_000_000)
        assert await process.wait() == Exit(0)
        await process.write(b"more")
        await process.close_input()

    async def test_given_a_running_command_when_messages_are_sent_then_it_answers_each(
        self, start: StartScript
    ) -> None:
        process = await start("while read line; do echo got $line; done")
        answers = process.lines()
        for message in (b"one", b"two"):
            await process.write(message + b"\n")
            assert await anext(answers) == b"got " + message
        await process.close_input()
        assert await process.wait() == Exit(0)

    # Ending it.

    async def test_given_a_running_command_when_it_is_interrupted_then_it_alone_gets_sigint(
        self, start: StartScript
    ) -> None:
        child = "sh -c 'trap \"echo child >&2\" INT; echo up; while :; do sleep 0.02; done' &"
        process = await start(f"trap 'echo interrupted; exit 7' INT; {child} while :; do sleep 0.02; done")
        lines = process.lines()
        assert await anext(lines) == b"up"
        process.interrupt()
        assert await anext(lines) == b"interrupted"
        assert await process.wait() == Exit(7)
        assert process.error_tail() == ""

    async def test_given_a_command_that_ends_on_sigterm_when_it_is_stopped_then_it_ends_its_own_way(
        self, start: StartScript
    ) -> None:
        process = await start("trap 'echo saved; exit 4' TERM; echo up; while :; do sleep 0.02; done")
        lines = process.lines()
        assert await anext(lines) == b"up"
        assert await process.stop(LONG) == Exit(4)
        assert [line async for line in lines] == [b"saved"]

    async def test_given_a_command_that_ignores_sigterm_when_it_is_stopped_then_it_is_killed_after_the_grace(
        self, start: StartScript
    ) -> None:
        process = await start("trap '' TERM; echo up; while :; do sleep 0.02; done")
        assert await anext(process.lines()) == b"up"
        assert await process.stop(SHORT) == Exit(None, 9)

    async def test_given_a_daemon_that_saves_its_work_on_sigterm_when_the_run_is_stopped_then_it_gets_the_grace_too(
        self, reaps: None, start: StartScript, workspace: Path
    ) -> None:
        daemon = "trap 'sleep 0.1; echo yes > saved; exit' TERM; echo > up; while :; do sleep 0.02; done"
        process = await start(f'(setsid sh -c "{daemon}" &); while :; do sleep 0.02; done')
        await until((workspace / "up").exists)
        await process.stop(LONG)
        assert (workspace / "saved").read_text() == "yes\n"

    async def test_given_a_whole_family_of_descendants_when_the_command_is_killed_then_none_is_left(
        self, reaps: None, start: StartScript, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + FAMILY + "wait")
        await lifeline.heard_from(FAMILY_SIZE)
        assert await process.kill() == Exit(None, 9)
        assert not lifeline.is_held()

    async def test_given_a_whole_family_of_descendants_when_the_command_is_stopped_then_none_is_left(
        self, reaps: None, start: StartScript, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + FAMILY + "wait")
        await lifeline.heard_from(FAMILY_SIZE)
        await process.stop(SHORT)
        assert not lifeline.is_held()

    async def test_given_a_whole_family_of_descendants_when_the_command_ends_by_itself_then_none_is_left(
        self, reaps: None, start: StartScript, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + FAMILY + "read line; exit 5")
        await lifeline.heard_from(FAMILY_SIZE)
        await process.write(b"end\n")
        assert await process.wait() == Exit(5)
        assert not lifeline.is_held()

    async def test_given_a_whole_family_of_descendants_when_the_sandbox_is_closed_then_none_is_left(
        self, reaps: None, sandbox: Sandbox, start: StartScript, lifeline: Lifeline
    ) -> None:
        await start(HOLD + FAMILY + "wait")
        await lifeline.heard_from(FAMILY_SIZE)
        await sandbox.close()
        assert not lifeline.is_held()

    async def test_given_a_daemon_that_holds_standard_output_when_the_command_ends_then_its_lines_end(
        self, reaps: None, start: StartScript, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + DAEMON + STUBBORN_CHILD + "read line; echo done")
        await lifeline.heard_from(2)
        await process.write(b"end\n")
        assert [line async for line in process.lines()] == [b"done"]

    async def test_given_two_commands_in_a_sandbox_when_one_ends_then_the_other_lives_on(
        self, start: StartScript, lifeline: Lifeline
    ) -> None:
        await start(HOLD + CHILD + "wait")
        await lifeline.heard_from(1)
        other = await start("exit 0")
        assert await other.wait() == Exit(0)
        assert lifeline.is_held()

    async def test_given_two_commands_in_a_sandbox_when_a_third_cannot_be_started_then_they_live_on(
        self, sandbox: Sandbox, start: StartScript, lifeline: Lifeline, workspace: Path
    ) -> None:
        await start(HOLD + CHILD + "wait")
        await lifeline.heard_from(1)
        with pytest.raises(SandboxError):
            await sandbox.start(Launch(argv=("no-such-agent",), cwd=workspace, env={}))
        assert lifeline.is_held()

    async def test_given_a_sandbox_when_it_is_closed_twice_or_before_the_first_start_then_nothing_happens(
        self, sandbox: Sandbox
    ) -> None:
        await sandbox.close()
        await sandbox.close()

    async def test_given_a_closed_sandbox_when_something_is_started_in_it_then_it_is_refused(
        self, sandbox: Sandbox, start: StartScript
    ) -> None:
        await sandbox.close()
        with pytest.raises(SandboxError, match="closed"):
            await start("exit 0")

    async def test_given_live_runs_of_this_worker_when_it_sweeps_then_they_live_on(
        self, provider: SandboxProvider, spec: SandboxSpec, start: StartScript, lifeline: Lifeline
    ) -> None:
        await start(HOLD + CHILD + "wait")
        await lifeline.heard_from(1)
        assert await provider.sweep(spec.state_dir) == 0
        assert lifeline.is_held()
