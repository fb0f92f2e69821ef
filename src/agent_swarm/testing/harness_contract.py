"""What every harness promises, as tests.

A test module for a harness subclasses `HarnessContract`, supplies the fixtures `harness` and `sandbox`, and says in
class attributes what its agent has to be told to behave in a certain way. `AgentContract` is for those that run an
agent, `HarnessContract` alone for those that run none.
"""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.harness import registry
from agent_swarm.harness.base import AgentEvent, EventKind, Harness, Outcome, Session, Turn
from agent_swarm.sandbox.base import Sandbox
from agent_swarm.testing.waiting import until

# The keys that `AgentEvent` documents for each kind: those it must have, and those it may have.
EVENT_KEYS: dict[EventKind, tuple[set[str], set[str]]] = {
    EventKind.STARTED: (set(), {"session", "pid"}),
    EventKind.TEXT: ({"text"}, set()),
    EventKind.TOOL_CALL: ({"id", "name", "input"}, set()),
    EventKind.TOOL_RESULT: ({"id", "ok", "output"}, set()),
    EventKind.DENIED: ({"id", "name", "input"}, set()),
    EventKind.PROGRESS: ({"text"}, {"percent"}),
    EventKind.USAGE: ({"inputTokens", "outputTokens"}, {"model", "costUsd"}),
    EventKind.LOG: ({"stream", "text"}, set()),
    EventKind.ENDED: ({"exit"}, set()),
}


@dataclass
class Transcript:
    """An `Emit` that remembers."""

    events: list[AgentEvent] = field(default_factory=list)

    async def __call__(self, event: AgentEvent) -> None:
        self.events.append(event)

    def kinds(self) -> list[EventKind]:
        """The kinds of the events, in order."""
        return [event.kind for event in self.events]

    def of(self, kind: EventKind) -> list[AgentEvent]:
        """The events of one kind."""
        return [event for event in self.events if event.kind is kind]

    def texts(self) -> list[str]:
        """The texts of the events that have one."""
        return [str(event.data["text"]) for event in self.events if "text" in event.data]


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    outcome: Outcome
    transcript: Transcript
    handle: str | None


MakeTurn = Callable[..., Turn]
RunPrompt = Callable[..., Coroutine[Any, Any, Finished]]


class HarnessFixtures:
    """A turn in a workspace, and a way to run it to its end."""

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        (tmp_path / "workspace").mkdir(exist_ok=True)
        return tmp_path / "workspace"

    @pytest.fixture
    def make_turn(self, tmp_path: Path, workspace: Path) -> MakeTurn:
        def make(prompt: str, *, attempt: int = 1, session: str | None = None, **env: str) -> Turn:
            return Turn(
                task_id="0198b2a4-0000-7000-8000-000000000001",
                attempt=attempt,
                prompt=prompt,
                workspace=workspace,
                state_dir=tmp_path / "state",
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env},
                session=session,
            )

        return make

    @pytest.fixture
    def run(self, harness: Harness, sandbox: Sandbox, make_turn: MakeTurn) -> RunPrompt:
        async def run_prompt(prompt: str, *, attempt: int = 1, session: str | None = None, **env: str) -> Finished:
            opened = await harness.open(sandbox, make_turn(prompt, attempt=attempt, session=session, **env))
            transcript = Transcript()
            outcome = await opened.run(transcript)
            await opened.close()
            return Finished(outcome, transcript, opened.handle)

        return run_prompt


class HarnessContract(HarnessFixtures):
    """Given a harness, when an agent does this, then that."""

    good: str  # succeeds
    padding = "#"  # begins a line that means nothing

    def test_given_a_harness_when_it_is_looked_up_by_its_name_then_it_is_found(self, harness: Harness) -> None:
        assert type(registry.get(harness.name)) is type(harness)

    def test_given_this_host_when_a_harness_is_asked_then_it_is_available(self, harness: Harness) -> None:
        assert harness.available() is None

    async def test_given_a_good_prompt_when_it_is_run_then_the_outcome_is_good(self, run: RunPrompt) -> None:
        outcome = (await run(self.good)).outcome
        assert outcome.ok
        assert outcome.failure is None
        assert outcome.failure_code == ""

    async def test_given_a_run_when_its_events_are_read_then_it_starts_once_first_and_ends_once_last(
        self, run: RunPrompt
    ) -> None:
        kinds = (await run(self.good)).transcript.kinds()
        assert (kinds[0], kinds[-1]) == (EventKind.STARTED, EventKind.ENDED)
        assert kinds.count(EventKind.STARTED) == kinds.count(EventKind.ENDED) == 1

    async def test_given_a_run_when_its_events_are_read_then_each_is_json_of_its_documented_shape(
        self, run: RunPrompt
    ) -> None:
        for event in (await run(self.good)).transcript.events:
            json.dumps(event.data)
            required, optional = EVENT_KEYS[event.kind]
            assert required <= event.data.keys() <= required | optional

    async def test_given_a_prompt_of_one_megabyte_when_it_is_run_then_it_is_good(self, run: RunPrompt) -> None:
        line = f"{self.padding} {'x' * 97}\n"
        assert (await run(line * 10_000 + self.good)).outcome.ok

    async def test_given_an_emit_that_fails_when_an_agent_runs_then_the_failure_comes_through_and_close_still_works(
        self, harness: Harness, sandbox: Sandbox, make_turn: MakeTurn
    ) -> None:
        async def emit(event: AgentEvent) -> None:
            raise SpoolFull

        session: Session = await harness.open(sandbox, make_turn(self.good))
        with pytest.raises(SpoolFull):
            await session.run(emit)
        await session.close()


class AgentContract(HarnessContract):
    """What holds beyond that for a harness whose agent can fail and can go on for ever."""

    failing: str  # fails, by the agent's own fault
    endless: str  # makes the file `up` in the workspace, then goes on for ever

    async def test_given_a_failing_prompt_when_it_is_run_then_the_outcome_says_whose_fault_and_what_happened(
        self, run: RunPrompt
    ) -> None:
        outcome = (await run(self.failing)).outcome
        assert not outcome.ok
        assert outcome.failure == "agent"
        assert outcome.failure_code
        assert outcome.message

    async def test_given_an_endless_run_when_it_is_interrupted_then_it_returns_as_interrupted(
        self, harness: Harness, sandbox: Sandbox, make_turn: MakeTurn, workspace: Path
    ) -> None:
        session = await harness.open(sandbox, make_turn(self.endless))
        running = asyncio.create_task(session.run(Transcript()))
        await until((workspace / "up").exists)
        await session.interrupt()
        outcome = await asyncio.wait_for(running, PATIENCE)
        assert (outcome.ok, outcome.failure_code) == (False, "interrupted")

    async def test_given_an_endless_run_when_it_is_closed_then_it_returns_and_closing_again_does_nothing(
        self, harness: Harness, sandbox: Sandbox, make_turn: MakeTurn, workspace: Path
    ) -> None:
        session = await harness.open(sandbox, make_turn(self.endless))
        running = asyncio.create_task(session.run(Transcript()))
        await until((workspace / "up").exists)
        await session.close()
        assert not (await asyncio.wait_for(running, PATIENCE)).ok
        await session.close()


PATIENCE = timedelta(seconds=10).total_seconds()


class SpoolFull(Exception):
    """What a worker's `emit` may raise."""
