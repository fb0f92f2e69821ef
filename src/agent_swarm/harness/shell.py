"""Harness `shell`: the prompt is a shell script.

There is no agent to tell how its work ended, so the exit code is the terminal event. The script goes through a
private file, never through an argument: arguments are limited in length and visible to everyone on the host.
"""

import os
import shutil
from datetime import timedelta
from pathlib import Path

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import AgentEvent, EventKind, Grants, Outcome, Turn
from agent_swarm.harness.stream import (
    OUTSIDE_SIGNALS,
    Ending,
    Ladder,
    Parsed,
    StreamSession,
    interrupted,
    killed,
    with_last_words,
)
from agent_swarm.sandbox.base import Launch, Sandbox
from agent_swarm.sandbox.lines import Tail

_RESULT_BYTES = 4000
# No SIGINT: a shell that gets one alone either dies and leaves its commands to SIGKILL (dash) or ignores it until the
# running command is over (bash). SIGTERM goes to its commands too, which can then clean up.
_LADDER = Ladder(after_interrupt=None, after_stop=timedelta(seconds=3))


class ShellHarness:
    """Meets `harness.base.Harness`."""

    name = "shell"
    grants = Grants()

    def available(self) -> str | None:
        """Missing only where there is no POSIX shell."""
        return None if shutil.which("sh") else "there is no sh in PATH; install a POSIX shell such as dash"

    async def open(self, sandbox: Sandbox, turn: Turn) -> StreamSession:
        """Run the prompt by `sh` in the workspace, without input."""
        script = _write_privately(turn.state_dir / "prompt.sh", turn.prompt)
        process = await sandbox.start(Launch(argv=("sh", str(script)), cwd=turn.workspace, env=turn.env))
        output = ShellOutput()
        return StreamSession(
            process=process,
            parse=output.parse,
            judge=output.judge,
            opening=(AgentEvent(EventKind.STARTED),),
            ladder=_LADDER,
        )


class ShellOutput:
    """Turns output lines into `log` events and keeps the last of them as the result."""

    def __init__(self) -> None:
        self._tail = Tail(_RESULT_BYTES)

    def parse(self, line: bytes) -> Parsed:
        """One line of standard output, which may be any bytes."""
        self._tail.feed(line + b"\n")
        text = line.decode("utf-8", errors="replace")
        return Parsed((AgentEvent(EventKind.LOG, {"stream": "stdout", "text": text}),))

    def judge(self, ending: Ending) -> Outcome:
        """Good with exit code 0, and only then."""
        result = self._tail.text().removesuffix("\n")
        if ending.exit.ok:
            return Outcome(ok=True, result=result)
        if ending.is_interrupted:
            return interrupted()
        if ending.exit.signal in OUTSIDE_SIGNALS:
            return killed(ending.exit)
        message = with_last_words(f"the script ended with {ending.exit.describe()}", ending.error_tail)
        return Outcome(ok=False, result=result, failure=FailureClass.AGENT, failure_code="exitCode", message=message)


def _write_privately(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of an earlier turn; never write through a link somebody left here
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return path
