"""Agents without processes, for schedules that are about everything around an agent.

What a puppet does stands in its prompt, and what its transcript has to say follows from that, so that a line that is
missing, doubled or somebody else's can be told from one that is right.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import AgentEvent, Emit, EventKind, Grants, Outcome, Turn
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.sandbox.base import Launch, Probe, Process, Sandbox, SandboxCapability, SandboxSpec

TOKENS = 7  # of every usage that a puppet reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a puppet does: so many steps with a pause after each, and it fails in the first `fails` attempts."""

    steps: int = 3
    pause: float = 0.01
    fails: int = 0

    def prompt(self) -> str:
        """As it stands in a task."""
        return json.dumps({"steps": self.steps, "pause": self.pause, "fails": self.fails})

    def script(self) -> str:
        """The same for harness `shell`, which starts processes. What it says is `said_by_script`."""
        return "\n".join(
            (
                *(f"echo step {step}; sleep {self.pause}" for step in range(self.steps)),
                f"[ $AGENT_SWARM_ATTEMPT -gt {self.fails} ] || exit 1",
                "echo $AGENT_SWARM_TASK_ID/$AGENT_SWARM_ATTEMPT",
                f"# {self.prompt()}",
            )
        )

    def said_by_script(self, task_id: str, attempt: int) -> str:
        """Everything that the script prints, without line ends."""
        last = result_of(task_id, attempt) if attempt > self.fails else ""
        return "".join(f"step {step}" for step in range(self.steps)) + last

    @classmethod
    def of(cls, prompt: str) -> "Part":
        """What a prompt says; the end of it, where the worker put something before it."""
        return cls(**json.loads(prompt[prompt.rindex("{") :]))

    def story(self, task_id: str, attempt: int) -> Iterator[AgentEvent]:
        """Everything an attempt says, in order, when nothing interrupts it."""
        yield AgentEvent(EventKind.STARTED)
        for step in range(self.steps):
            about = {"of": f"{task_id}/{attempt}", "step": step}
            yield AgentEvent(EventKind.TOOL_CALL, {"id": str(step), "name": "step", "input": about})
            if step % 3 == 1:
                yield AgentEvent(EventKind.USAGE, {"inputTokens": TOKENS, "outputTokens": 0, "model": "puppet"})
            if step % 3 == 2:
                yield AgentEvent(EventKind.PROGRESS, {"text": f"step {step}"})
        yield AgentEvent(EventKind.ENDED, {"exit": "no process"})


def result_of(task_id: str, attempt: int) -> str:
    """What an attempt answers."""
    return f"{task_id}/{attempt}"


class PuppetHarness:
    """Meets `harness.base.Harness`. Takes the name of one that servers know."""

    name = "noop"
    grants = Grants()

    def available(self) -> str | None:
        """Nothing is needed."""
        return None

    async def open(self, sandbox: Sandbox, turn: Turn) -> "PuppetSession":
        """Nothing is started; a file shows that the agent was here."""
        (turn.workspace / f"attempt-{turn.attempt}").touch()
        return PuppetSession(turn)


class PuppetSession:
    """Meets `harness.base.Session`."""

    handle: str | None = None

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._part = Part.of(turn.prompt)
        self._interrupted = asyncio.Event()

    async def run(self, emit: Emit) -> Outcome:
        """Do what the part says."""
        turn = self._turn
        for event in self._part.story(turn.task_id, turn.attempt):
            if self._interrupted.is_set():
                return _failed("interrupted")
            await emit(event)
            if event.kind is EventKind.TOOL_CALL:
                await self._pause()
        if turn.attempt <= self._part.fails:
            return _failed("stageFright")
        return Outcome(ok=True, result=result_of(turn.task_id, turn.attempt))

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        """There is nobody to read it."""
        raise NotDelivered("a puppet cannot be told something")

    async def interrupt(self) -> None:
        """Stop before the next step."""
        self._interrupted.set()

    async def close(self) -> None:
        """The same."""
        self._interrupted.set()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._part.pause):
                await self._interrupted.wait()
        except TimeoutError:
            return


class Nowhere:
    """Meets `sandbox.base.SandboxProvider` and `Sandbox`: nothing is ever started in it."""

    name = "process"
    capabilities: frozenset[SandboxCapability] = frozenset()

    async def probe(self) -> Probe:
        """It works everywhere."""
        return Probe(usable=True)

    async def open(self, spec: SandboxSpec) -> Sandbox:
        """The same for all."""
        return self

    async def sweep(self, state_dir: Path) -> int:
        """Nothing was left running."""
        return 0

    async def start(self, launch: Launch) -> Process:
        """Not here."""
        raise NotImplementedError("puppets start no processes")

    def kill(self) -> None:
        """There is nothing to kill."""

    async def close(self) -> None:
        """There is nothing to free."""


def _failed(code: str) -> Outcome:
    return Outcome(ok=False, failure=FailureClass.AGENT, failure_code=code, message=code)


def told(events: Iterator[AgentEvent]) -> list[tuple[str, Mapping[str, Any]]]:
    """Kind and data of what is told, as a transcript has them."""
    return [(event.kind.value, event.data) for event in events]
