"""Who a server is when it carries out workflows: an agent of its own, the same after every restart."""

import socket
import uuid
from pathlib import Path

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import RUNNER_CAPABILITY, AgentProfile, AgentRole
from agent_swarm.services.tokens import mint
from agent_swarm.store.operations import RegisterAgent
from agent_swarm.store.records import AgentRecord, TokenKind

NAME = "runner"
_NAMES = uuid.UUID("2b0d5f7e-52d6-4a37-8f43-6a1d0c6cf2d9")


def runner_agent(data_dir: Path, slots: int) -> AgentRecord:
    """A new process of the agent that the server with this data directory is."""
    place = f"{socket.gethostname()}:{data_dir.absolute()}"
    profile = AgentProfile(
        id=str(uuid.uuid5(_NAMES, place)),
        agent_role=AgentRole.RUNNER,
        role=NAME,
        capabilities=frozenset({RUNNER_CAPABILITY}),
    )
    return AgentRecord(
        profile=profile,
        name=NAME,
        description="carries out parts of workflows, in the server itself",
        slots=slots,
        instance_id=new_id(),
    )


def registration(agent: AgentRecord, *, now: int, jitter: float) -> RegisterAgent:
    """The operation by which it reports for work. Nobody gets its token: it needs none."""
    minted = mint(
        TokenKind.AGENT,
        now=now,
        agent_role=AgentRole.RUNNER,
        agent_id=agent.profile.id,
        instance_id=agent.instance_id,
    )
    return RegisterAgent(agent=agent, token=minted.record, jitter=jitter)
