"""Agents below agents: who is introduced by whom, and whom one may stop.

The parent of what a running agent introduces is that agent, by its token; it has a say in the agents below it, and in
no others. People introduce agents anywhere, and have a say in all.
"""

from collections.abc import Callable
from dataclasses import replace

from agent_swarm.domain.errors import Denied
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile, AgentRole
from agent_swarm.protocol.rest_agents import AgentInput
from agent_swarm.services.permissions import profile_named
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import AddAgent, StartAgent, StopAgent
from agent_swarm.store.records import AgentRecord


def add_agent(asked: AgentInput, redactor: Redactor, rules: Rules, *, by: Identity) -> Callable[[Queries], AddAgent]:
    """A reading: the operation that introduces an agent, in the swarm of the task that the attempt of `by` works on.

    Raises Denied for an attempt that names another parent than its own agent.
    """
    agent = _agent(asked, redactor, rules, by=by)
    caps = rules.agent_caps if by.task_id is not None else None

    def reading(queries: Queries) -> AddAgent:
        task = None if by.task_id is None else queries.task(by.task_id)
        profile = replace(agent.profile, swarm_id=None if task is None else task.spec.swarm_id)
        return AddAgent(agent=replace(agent, profile=profile), actor=by.actor, caps=caps, profiles=rules.profiles)

    return reading


def _agent(asked: AgentInput, redactor: Redactor, rules: Rules, *, by: Identity) -> AgentRecord:
    parent_id = asked.parent_agent_id
    if by.task_id is not None:
        if parent_id not in (None, by.agent_id):
            raise Denied(
                f"an agent introduces agents below itself, not below agent {parent_id!r}",
                hint="leave parentAgentId out: it is the agent of the token",
                details={"field": "parentAgentId"},
            )
        parent_id = by.agent_id
    named = None if asked.permissions is None else profile_named(asked.permissions, "permissions", rules.profiles)
    return AgentRecord(
        profile=AgentProfile(
            id=asked.id or new_id(),
            agent_role=AgentRole(asked.agent_role),
            role=redactor.text(asked.role),
            skills=frozenset(map(redactor.text, asked.skills)),
        ),
        name=redactor.text(asked.name),
        description=redactor.text(asked.description),
        instance_id=new_id(),  # of no process
        permissions="" if named is None else named.name,
        parent_id=parent_id,
    )


def stop_agent(agent_id: str, redactor: Redactor, *, recursive: bool, reason: str, by: Identity) -> StopAgent:
    """Let an agent, or it and all below it, claim nothing, and have what they run interrupted."""
    return StopAgent(agent_id=agent_id, actor=by.actor, recursive=recursive, reason=redactor.text(reason.strip()))


def start_agent(agent_id: str, *, recursive: bool, by: Identity) -> StartAgent:
    """Let an agent, or it and all below it, claim again."""
    return StartAgent(agent_id=agent_id, actor=by.actor, recursive=recursive)


def require_below(queries: Queries, agent_id: str, *, by: Identity) -> None:
    """Raise Denied where an attempt's token means an agent that is not below its own; people have a say in all.

    Refuses in the same words whether or not the agent exists. An agent never changes its parent, so what is found
    counts.
    """
    if by.task_id is None:
        return
    agent = queries.agent(agent_id)
    while agent is not None and agent.parent_id is not None:
        if agent.parent_id == by.agent_id:
            return
        agent = queries.agent(agent.parent_id)
    raise Denied(
        f"agent {agent_id!r} is not below agent {by.agent_id!r} of this token",
        hint="an agent has a say in those that it introduced, and in those below them",
        details={"agentId": agent_id},
    )
