"""Begins conversations with the Codex of this host."""

from agent_swarm.harness.base import Grants, Turn
from agent_swarm.harness.codex import launch
from agent_swarm.harness.codex.dialogue import Dialogue
from agent_swarm.harness.codex.host import CLI, native
from agent_swarm.harness.codex.reading import Reading
from agent_swarm.harness.codex.usage import Meter
from agent_swarm.harness.kept.home import Home
from agent_swarm.harness.kept.program import installation, runs
from agent_swarm.harness.kept.session import KeptSession
from agent_swarm.harness.kept.spoken import SpokenConversation
from agent_swarm.sandbox.base import Launch, Sandbox


class CodexHarness:
    """Meets `harness.base.Harness`."""

    name = "codex"

    def __init__(self, program: str | None = None, *, retries: int = launch.RETRIES) -> None:
        """`retries`: how often the CLI asks a failing model again."""
        self._program = program or CLI.path()
        self._retries = retries

    @property
    def grants(self) -> Grants:
        """The folder that the CLI is installed in, and its credentials."""
        return Grants(
            readable=installation(self._program) if self._program else (),
            variables=launch.VARIABLES,
            secrets=launch.CREDENTIALS,
            credentials=launch.CREDENTIALS,
            reads_messages=True,
        )

    def available(self) -> str | None:
        """Whether it can be run at all; whether its key is accepted shows only when it is used."""
        if self._program is None:
            return CLI.missing()
        program = str(native(self._program))
        return None if runs((program,)) else CLI.broken(program)

    async def open(self, sandbox: Sandbox, turn: Turn) -> KeptSession:
        """Start the CLI; what the agent is asked goes in with the first `run`."""
        home = Home.of(turn, self.name)
        home.prepare()

        async def start(session: str | None) -> SpokenConversation:
            program = str(native(self._program or CLI.program))
            env = launch.environment(turn, home)
            process = await sandbox.start(Launch(argv=launch.arguments(program, turn), cwd=turn.workspace, env=env))
            reading = Reading(Meter.from_json(home.saved_meter()))
            thread = launch.thread_of(turn, retries=self._retries)
            dialogue = Dialogue(reading, thread, session=session, calls=turn.bounds.turns)
            conversation = SpokenConversation(process, dialogue)
            await conversation.begin()
            return conversation

        session = KeptSession(name=self.name, turn=turn, start=start, save_totals=home.save_meter)
        await session.begin(turn.session)
        return session
