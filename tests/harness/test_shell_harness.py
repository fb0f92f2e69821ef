"""Harness `shell`."""

import os
import stat
from pathlib import Path

import pytest

from agent_swarm.harness.base import EventKind
from agent_swarm.harness.shell import ShellHarness
from agent_swarm.protocol.limits import PROMPT_BYTES
from agent_swarm.testing.harness_contract import AgentContract, RunPrompt

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SANDBOXES = ("process", "bubblewrap")


class TestShell(AgentContract):
    """The contract, and what a shell adds to it."""

    good = "echo hello"
    failing = "echo no such luck >&2; exit 3"
    endless = "touch up; sleep 1000"

    @pytest.fixture
    def harness(self) -> ShellHarness:
        return ShellHarness()

    async def test_given_output_when_a_script_succeeds_then_each_line_is_a_log_event_and_all_is_the_result(
        self, run: RunPrompt
    ) -> None:
        finished = await run("echo one; echo two >&2; printf three")
        logs = [event.data for event in finished.transcript.of(EventKind.LOG)]
        assert logs == [{"stream": "stdout", "text": "one"}, {"stream": "stdout", "text": "three"}]
        assert finished.outcome.result == "one\nthree"

    async def test_given_long_output_when_a_script_succeeds_then_the_result_is_the_end_of_it(
        self, run: RunPrompt
    ) -> None:
        result = (await run("seq 10000")).outcome.result
        assert result.endswith("\n9999\n10000")
        assert 3_900 <= len(result) <= 4_000

    async def test_given_a_script_that_fails_when_it_ends_then_exit_code_and_last_words_are_told(
        self, run: RunPrompt
    ) -> None:
        finished = await run("echo partly; echo no such luck >&2; exit 3")
        assert finished.outcome.failure_code == "exitCode"
        assert finished.outcome.message == "the script ended with exit code 3; its last words: no such luck"
        assert finished.outcome.result == "partly"
        assert finished.transcript.events[-2].data == {"stream": "stderr", "text": "no such luck\n"}
        assert finished.transcript.events[-1].data == {"exit": "exit code 3"}

    async def test_given_a_script_that_is_killed_when_it_ends_then_it_is_not_the_agents_fault(
        self, run: RunPrompt
    ) -> None:
        outcome = (await run("kill -9 $$")).outcome
        assert (outcome.failure, outcome.failure_code) == ("infrastructure", "killed")

    async def test_given_a_script_that_crashes_when_it_ends_then_it_is_the_agents_fault(self, run: RunPrompt) -> None:
        outcome = (await run("kill -SEGV $$")).outcome
        assert (outcome.failure, outcome.message) == ("agent", "the script ended with signal 11")

    async def test_given_output_that_is_not_utf8_when_it_is_read_then_it_is_shown_with_replacements(
        self, run: RunPrompt
    ) -> None:
        assert (await run("printf 'a\\377b\\n'")).outcome.result == "a\ufffdb"

    async def test_given_a_script_when_it_runs_then_it_is_in_no_argument_and_in_a_private_file(
        self, run: RunPrompt, tmp_path: Path
    ) -> None:
        finished = await run("# canary\ntr '\\0' ' ' < /proc/$$/cmdline; pwd")
        script = tmp_path / "state" / "prompt.sh"
        assert finished.outcome.result == f"sh {script} {tmp_path / 'workspace'}"
        assert stat.S_IMODE(os.stat(script).st_mode) == 0o600

    async def test_given_a_prompt_of_the_largest_size_when_it_runs_then_the_agent_starts(self, run: RunPrompt) -> None:
        end = "\necho done"  # a single argument of a program has 128 KiB at most
        assert (await run("#" + "x" * (PROMPT_BYTES - 1 - len(end)) + end)).outcome.result == "done"

    async def test_given_a_link_where_the_script_goes_when_it_is_written_then_the_links_target_is_untouched(
        self, run: RunPrompt, tmp_path: Path
    ) -> None:
        target = tmp_path / "target"
        target.write_text("mine")
        (tmp_path / "state").mkdir(exist_ok=True)
        (tmp_path / "state" / "prompt.sh").symlink_to(target)
        assert (await run("echo hello")).outcome.ok
        assert target.read_text() == "mine"

    async def test_given_a_script_when_it_reads_its_input_then_that_is_empty(self, run: RunPrompt) -> None:
        assert (await run("cat; echo end")).outcome.result == "end"

    async def test_given_the_workers_secrets_when_a_script_looks_at_its_environment_then_they_are_not_there(
        self, run: RunPrompt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("API_KEY", "canary")
        assert "canary" not in (await run("env", GREETING="hello")).outcome.result
