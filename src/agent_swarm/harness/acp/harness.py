"""Begins conversations with an agent CLI of this host that speaks the Agent Client Protocol."""

import os

from agent_swarm.harness.acp.agents import RETRIES, AcpAgent
from agent_swarm.harness.acp.dialogue import AcpDialogue
from agent_swarm.harness.acp.servers import refusing
from agent_swarm.harness.base import Grants, Turn
from agent_swarm.harness.kept.heard import as_dict, as_number
from agent_swarm.harness.kept.home import Home
from agent_swarm.harness.kept.program import command_of, installation, runs, with_libraries
from agent_swarm.harness.kept.session import KeptSession
from agent_swarm.harness.kept.spoken import SpokenConversation
from agent_swarm.sandbox.base import Launch, Sandbox


class AcpHarness:
    """Meets `harness.base.Harness`, once for each agent of the table."""

    def __init__(self, agent: AcpAgent, program: str | None = None, *, retries: int = RETRIES) -> None:
        """`retries`: how often the CLI asks a failing model again, where it lets that be said."""
        self._agent = agent
        self._retries = retries
        found = program or agent.cli.path()
        self._program = agent.itself(found) if found else None

    @property
    def name(self) -> str:
        """The agent's."""
        return self._agent.manner.name

    @property
    def grants(self) -> Grants:
        """The folders that the CLI is installed in, and its credentials."""
        agent, program = self._agent, self._program
        folders = with_libraries if agent.has_libraries else installation
        return Grants(
            readable=(*folders(program), *agent.unpacked(os.environ)) if program else (),
            variables=(*agent.keys, *agent.variables),
            secrets=agent.keys,
            credentials=agent.credentials,
            providers=agent.providers,
            reads_messages=True,
        )

    def available(self) -> str | None:
        """Whether it can be run at all; whether its key is accepted shows only when it is used."""
        if self._program is None:
            return self._agent.cli.missing()
        return None if runs(command_of(self._program)) else self._agent.cli.broken(self._program)

    async def open(self, sandbox: Sandbox, turn: Turn) -> KeptSession:
        """Start the CLI; what the agent is asked goes in with the first `run`."""
        home = Home.of(turn, self.name)
        home.prepare()
        agent = self._agent
        env = {**turn.env, **agent.settings(turn, home, self._retries)}
        argv = (*command_of(self._program or agent.cli.program), *agent.arguments(turn))

        async def start(session: str | None) -> SpokenConversation:
            if session is not None:
                agent.before_resume(home)
            refused = await refusing(turn.mcp_servers)
            process = await sandbox.start(Launch(argv=argv, cwd=turn.workspace, env=env))
            cost = as_number(as_dict(home.saved_meter()).get("costUsd"))
            dialogue = AcpDialogue(agent.manner, turn, session=session, cost_usd=cost, refused=refused)
            conversation = SpokenConversation(process, dialogue, does_leave=agent.manner.does_leave)
            await conversation.begin()
            return conversation

        session = KeptSession(name=self.name, turn=turn, start=start, save_totals=home.save_meter)
        await session.begin(turn.session)
        return session
