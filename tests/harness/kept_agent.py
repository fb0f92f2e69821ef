"""What tests of kept agents have in common: an agent that runs turns against one scripted model."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agent_swarm.harness.base import EventKind, Harness, Outcome, Session, Turn
from agent_swarm.sandbox.base import Sandbox
from agent_swarm.testing.harness_contract import Transcript
from agent_swarm.testing.model_server import Call, Usage

WITHIN = 60.0
ENDLESS = "touch up; while :; do sleep 0.05; done"
HOLD = "touch up; until [ -e go ]; do sleep 0.02; done"


def bash(command: str, usage: Usage | None = None) -> Call:
    """A command, as scripts for any agent CLI say it."""
    return Call("Bash", {"command": command}, usage=usage or Usage())


class Agent:
    """Runs turns against one model."""

    def __init__(self, harness: Harness, sandbox: Sandbox, base: Turn) -> None:
        self.harness, self.sandbox, self.base = harness, sandbox, base
        self.transcript = Transcript()

    async def open(self, prompt: str = "do it", **changes: Any) -> Session:
        return await self.harness.open(self.sandbox, replace(self.base, prompt=prompt, **changes))

    async def run(self, session: Session) -> Outcome:
        return await asyncio.wait_for(session.run(self.transcript), WITHIN)

    async def once(self, prompt: str = "do it", **changes: Any) -> Outcome:
        session = await self.open(prompt, **changes)
        try:
            return await self.run(session)
        finally:
            await session.close()

    def pid(self) -> int:
        """Of the process that started last."""
        return int(self.transcript.of(EventKind.STARTED)[-1].data["pid"])

    def results(self) -> list[str]:
        """What tools gave."""
        return [str(event.data["output"]) for event in self.transcript.of(EventKind.TOOL_RESULT)]

    def logs(self) -> str:
        return "\n".join(str(event.data["text"]) for event in self.transcript.of(EventKind.LOG))

    def used(self) -> tuple[int, int]:
        """Input and output tokens of everything that was told."""
        events = self.transcript.of(EventKind.USAGE)
        return sum(event.data["inputTokens"] for event in events), sum(event.data["outputTokens"] for event in events)


Hire = Callable[..., Agent]
