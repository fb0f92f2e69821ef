"""What every operation on a worker's workspaces works with; made once, handed down."""

from dataclasses import dataclass

from agent_swarm.worker.workspace.git import Git
from agent_swarm.worker.workspace.identity import Identity
from agent_swarm.worker.workspace.layout import Layout, RunKey
from agent_swarm.worker.workspace.mirrors import Mirrors
from agent_swarm.worker.workspace.steps import Reached, go_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One worker's directory with its git, mirrors and identity. `live` are the attempts that work in it now."""

    layout: Layout
    git: Git
    mirrors: Mirrors
    identity: Identity
    live: set[RunKey]
    reached: Reached = go_on
