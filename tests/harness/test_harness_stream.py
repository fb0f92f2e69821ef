"""Judging how an agent ended, and the ladder that makes it end."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import AgentEvent, EventKind, Outcome
from agent_swarm.harness.stream import Ending, Ladder, Parsed, StreamSession, judge
from agent_swarm.sandbox.base import Exit, Launch, Sandbox
from agent_swarm.testing.harness_contract import Transcript
from agent_swarm.testing.waiting import until

GOOD = Outcome(ok=True, result="done")
REFUSED = Outcome(ok=False, failure=FailureClass.POLICY, failure_code="refused", message="no")
CRASH, KILLED, TERMINATED = Exit(None, 11), Exit(None, 9), Exit(None, 15)


@pytest.mark.parametrize("ended", [Exit(0), Exit(1), KILLED], ids=Exit.describe)
@pytest.mark.parametrize("terminal", [GOOD, REFUSED], ids=["good", "refused"])
def test_given_a_terminal_event_when_a_run_is_judged_then_it_decides_whatever_the_exit(
    terminal: Outcome, ended: Exit
) -> None:
    assert judge(Ending(terminal=terminal, exit=ended, is_interrupted=False)) == terminal


@pytest.mark.parametrize(
    ("ended", "failure", "code"),
    [
        (Exit(0), "agent", "noTerminalEvent"),
        (Exit(1), "agent", "noTerminalEvent"),
        (CRASH, "agent", "noTerminalEvent"),
        (KILLED, "infrastructure", "killed"),
        (TERMINATED, "infrastructure", "killed"),
    ],
    ids=["0", "1", "crash", "killed", "terminated"],
)
def test_given_no_terminal_event_when_a_run_is_judged_then_it_failed_and_the_exit_says_whose_fault(
    ended: Exit, failure: str, code: str
) -> None:
    outcome = judge(Ending(terminal=None, exit=ended, is_interrupted=False, error_tail="panic: out of luck\n"))
    assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, failure, code)
    assert ended.describe() in outcome.message


@pytest.mark.parametrize("terminal", [None, REFUSED], ids=["silent", "refused"])
def test_given_an_interrupt_when_the_run_then_fails_or_says_nothing_then_it_was_interrupted(
    terminal: Outcome | None,
) -> None:
    outcome = judge(Ending(terminal=terminal, exit=Exit(0), is_interrupted=True))
    assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, "infrastructure", "interrupted")


def test_given_an_interrupt_that_came_too_late_when_the_run_succeeded_then_it_succeeded() -> None:
    assert judge(Ending(terminal=GOOD, exit=Exit(0), is_interrupted=True)) == GOOD


def parse(line: bytes) -> Parsed:
    """A stream whose terminal events are the lines that begin with `end`."""
    if line.startswith(b"session"):
        return Parsed((AgentEvent(EventKind.STARTED, {"session": line.split()[1].decode()}),))
    if line.startswith(b"end"):
        return Parsed(outcome=Outcome(ok=True, result=line.decode()))
    return Parsed((AgentEvent(EventKind.TEXT, {"text": line.decode()}),))


@pytest.mark.anyio
@pytest.mark.timeout(60)
class TestSession:
    """With real processes."""

    async def open(self, sandbox: Sandbox, folder: Path, script: str, prompt: bytes = b"") -> StreamSession:
        argv = ("sh", "-c", script)
        process = await sandbox.start(Launch(argv=argv, cwd=folder, env={"PATH": os.environ["PATH"]}))
        ladder = Ladder(after_interrupt=timedelta(milliseconds=200), after_stop=timedelta(milliseconds=200))
        return StreamSession(process=process, parse=parse, prompt=prompt, ladder=ladder)

    async def test_given_several_terminal_events_when_the_stream_ends_then_the_last_one_counts(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        session = await self.open(sandbox, tmp_path, "echo end one; echo more; echo end two; exit 1")
        assert (await session.run(Transcript())).result == "end two"

    async def test_given_an_agent_that_tells_its_session_when_it_runs_then_that_is_the_handle_and_the_pid_is_added(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        session = await self.open(sandbox, tmp_path, "echo session abc; echo end")
        transcript = Transcript()
        await session.run(transcript)
        assert session.handle == "abc"
        assert transcript.events[0].data == {"session": "abc", "pid": session.process.pid}

    async def test_given_an_agent_that_talks_while_it_is_fed_when_both_are_much_then_neither_waits_for_the_other(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        session = await self.open(sandbox, tmp_path, "cat; echo end", prompt=b"%s\n" % (b"x" * 99) * 20_000)
        transcript = Transcript()
        assert (await session.run(transcript)).ok
        assert len(transcript.of(EventKind.TEXT)) == 20_000

    async def test_given_an_agent_that_ignores_sigint_when_it_is_interrupted_then_sigterm_comes_next(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        outcome, transcript = await self.interrupt(sandbox, tmp_path, "trap '' INT; trap 'exit 5' TERM; echo > up")
        assert outcome.failure_code == "interrupted"
        assert transcript.events[-1].data == {"exit": "exit code 5"}

    async def test_given_an_agent_that_ignores_everything_when_it_is_interrupted_then_it_is_killed(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        outcome, transcript = await self.interrupt(sandbox, tmp_path, "trap '' INT TERM; echo > up")
        assert outcome.failure_code == "interrupted"
        assert transcript.events[-1].data == {"exit": "signal 9"}

    async def interrupt(self, sandbox: Sandbox, folder: Path, script: str) -> tuple[Outcome, Transcript]:
        session = await self.open(sandbox, folder, f"{script}; while :; do sleep 0.02; done")
        transcript = Transcript()
        running = asyncio.create_task(session.run(transcript))
        await until((folder / "up").exists)
        await session.interrupt()
        return await running, transcript
