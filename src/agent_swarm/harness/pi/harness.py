"""Begins conversations with the pi of this host."""

import uuid

from agent_swarm.harness.base import Grants, Turn
from agent_swarm.harness.kept.program import command_of, runs, with_libraries
from agent_swarm.harness.kept.session import KeptSession
from agent_swarm.harness.kept.spoken import SpokenConversation
from agent_swarm.harness.pi import launch
from agent_swarm.harness.pi.dialogue import PiDialogue
from agent_swarm.harness.pi.host import CLI
from agent_swarm.sandbox.base import Launch, Sandbox


class PiHarness:
    """Meets `harness.base.Harness`."""

    name = "pi"

    def __init__(self, program: str | None = None, *, does_retry: bool = True) -> None:
        """`does_retry`: whether the CLI asks a failing model again, which it does 3 times."""
        self._program = program or CLI.path()
        self._does_retry = does_retry

    @property
    def grants(self) -> Grants:
        """The folders that the CLI and its libraries are installed in, and its credentials."""
        return Grants(
            readable=with_libraries(self._program) if self._program else (),
            variables=launch.VARIABLES,
            secrets=launch.KEYS,
            credentials=launch.KEYS,
            providers=launch.KEY_OF,
            reads_messages=True,
        )

    def available(self) -> str | None:
        """Whether it can be run at all; whether its key is accepted shows only when it is used."""
        if self._program is None:
            return CLI.missing()
        return None if runs(command_of(self._program)) else CLI.broken(self._program)

    async def open(self, sandbox: Sandbox, turn: Turn) -> KeptSession:
        """Start the CLI; what the agent is asked goes in with the first `run`."""
        home = launch.home_of(turn)
        home.prepare_for(turn)
        command = command_of(self._program or CLI.program)

        async def start(session: str | None) -> SpokenConversation:
            chosen = session or str(uuid.uuid4())
            argv = launch.arguments(command, turn, home, session=chosen, resume=session is not None)
            env = launch.environment(turn, home)
            process = await sandbox.start(Launch(argv=argv, cwd=turn.workspace, env=env))
            dialogue = PiDialogue(bounds=turn.bounds, does_retry=self._does_retry)
            conversation = SpokenConversation(process, dialogue)
            await conversation.begin()
            return conversation

        session = KeptSession(name=self.name, turn=turn, start=start, save_totals=home.save_meter)
        await session.begin(turn.session)
        return session
