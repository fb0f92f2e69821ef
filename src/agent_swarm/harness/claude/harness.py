"""Begins conversations with the Claude Code of this host."""

import uuid

from agent_swarm.harness.base import Grants, Turn
from agent_swarm.harness.claude import launch
from agent_swarm.harness.claude.conversation import ClaudeConversation
from agent_swarm.harness.claude.host import CLI
from agent_swarm.harness.claude.usage import Meter
from agent_swarm.harness.kept.program import installation
from agent_swarm.harness.kept.session import KeptSession
from agent_swarm.sandbox.base import Launch, Process, Sandbox


class ClaudeHarness:
    """Meets `harness.base.Harness`."""

    name = "claude"

    def __init__(self, program: str | None = None) -> None:
        self._program = program or CLI.path()

    @property
    def program(self) -> str | None:
        """The CLI; None where it is not installed."""
        return self._program

    @property
    def grants(self) -> Grants:
        """The folder that the CLI is installed in, and its credentials."""
        return Grants(
            readable=installation(self._program) if self._program else (),
            variables=launch.VARIABLES,
            secrets=launch.SECRETS,
            credentials=launch.CREDENTIALS,
            enforces_tools=True,
            reads_messages=True,
        )

    def available(self) -> str | None:
        """Whether it can be logged in shows only when it is used."""
        return None if self._program else CLI.missing()

    async def open(self, sandbox: Sandbox, turn: Turn) -> KeptSession:
        """Start the CLI; what the agent is asked goes in with the first `run`."""
        home = launch.home_of(turn)
        home.prepare_for(turn)

        async def start(session: str | None) -> ClaudeConversation:
            chosen = session or str(uuid.uuid4())
            process = await self._start(sandbox, turn, home, session=chosen, resume=session is not None)
            meter = Meter.from_json(home.saved_meter())
            return ClaudeConversation(process, meter, session=chosen, system_prompt=turn.system_prompt)

        session = KeptSession(name=self.name, turn=turn, start=start, save_totals=home.save_meter)
        await session.begin(turn.session)
        return session

    async def _start(
        self, sandbox: Sandbox, turn: Turn, home: launch.ClaudeHome, *, session: str, resume: bool
    ) -> Process:
        argv = launch.arguments(self._program or CLI.program, turn, home, session=session, resume=resume)
        return await sandbox.start(Launch(argv=argv, cwd=turn.workspace, env=launch.environment(turn, home)))
