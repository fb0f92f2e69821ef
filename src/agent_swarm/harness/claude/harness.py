"""Finds Claude Code on the host and begins conversations with it."""

import uuid
from pathlib import Path

from agent_swarm.harness.base import Grants, Turn
from agent_swarm.harness.claude import host, launch
from agent_swarm.harness.claude.conversation import Conversation
from agent_swarm.harness.claude.session import ClaudeSession
from agent_swarm.harness.claude.usage import Meter
from agent_swarm.sandbox.base import Launch, Process, Sandbox


class ClaudeHarness:
    """Meets `harness.base.Harness`."""

    name = "claude"

    def __init__(self, program: str | None = None) -> None:
        self._program = program or host.find_program()

    @property
    def program(self) -> str | None:
        """The CLI; None where it is not installed."""
        return self._program

    @property
    def grants(self) -> Grants:
        """The folder that the CLI is installed in, and its credentials."""
        return Grants(
            readable=_installation(self._program) if self._program else (),
            variables=launch.VARIABLES,
            secrets=launch.SECRETS,
            enforces_tools=True,
            reads_messages=True,
        )

    def available(self) -> str | None:
        """Whether it can be logged in shows only when it is used."""
        return None if self._program else f"Claude Code is not installed: {host.HOW_TO_INSTALL}"

    async def open(self, sandbox: Sandbox, turn: Turn) -> ClaudeSession:
        """Start the CLI; what the agent is asked goes in with the first `run`."""
        home = launch.home_of(turn)
        home.prepare(turn)

        async def start(session: str, *, resume: bool) -> Conversation:
            process = await self._start(sandbox, turn, home, session=session, resume=resume)
            return Conversation(process, Meter.from_json(home.saved_meter()), system_prompt=turn.system_prompt)

        session = ClaudeSession(turn=turn, start=start, save_totals=home.save_meter)
        await session.begin(turn.session or str(uuid.uuid4()), resume=turn.session is not None)
        return session

    async def _start(self, sandbox: Sandbox, turn: Turn, home: launch.Home, *, session: str, resume: bool) -> Process:
        argv = launch.arguments(self._program or host.PROGRAM, turn, home, session=session, resume=resume)
        return await sandbox.start(Launch(argv=argv, cwd=turn.workspace, env=launch.environment(turn, home)))


def _installation(program: str) -> tuple[Path, ...]:
    """The folders of the program: where it is called, and, behind its links, the package with what it brings along."""
    found = Path(program)
    real = found.resolve()
    package = next((folder for folder in real.parents if (folder / "package.json").is_file()), real.parent)
    scope = package.parent if package.parent.name.startswith("@") else package  # the native program lies beside it
    return tuple(dict.fromkeys((found.parent, scope)))
