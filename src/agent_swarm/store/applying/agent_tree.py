"""Agents below agents: introduced, narrowed, stopped and started, each with all that hangs on it.

Whoever adds below an agent, stops it, or claims as it needs the agent's row. So what is stopped claims nothing once
that is answered, and who is introduced below it meanwhile is found, or sees the stop.
"""

from collections.abc import Iterator
from dataclasses import replace

from agent_swarm.domain.agent_tree import lays_down, may_be_started_by, permissions_below, require_depth, require_room
from agent_swarm.domain.commands import RequestPause
from agent_swarm.domain.errors import Denied
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.store import events, refusals
from agent_swarm.store import operations as ops
from agent_swarm.store.applying import offers, swarms
from agent_swarm.store.applying.agent_profiles import begin_profile
from agent_swarm.store.applying.agents import require_enforceable
from agent_swarm.store.applying.budgets import inherit_budgets
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.agent_children import AGENT_CHILDREN, PAGE, AgentChild
from agent_swarm.store.records import AgentRecord


def add_agent(work: Work, op: ops.AddAgent) -> ops.AgentAdded:
    """Have an agent known. It is offline until a process reports for it, and tasks may be addressed to it."""
    wanted, now = op.agent, work.now
    if work.rows.agent(wanted.profile.id) is not None:
        raise refusals.agent_exists(wanted.profile.id)
    swarm = None if wanted.profile.swarm_id is None else swarms.open_for_joining(work, wanted.profile.swarm_id)
    profile = replace(wanted.profile, swarm_id=None)
    agent = replace(wanted, profile=profile, registered_at=now, last_seen_at=now, offline_at=now)
    if wanted.parent_id is not None:
        parent = work.rows.agent(wanted.parent_id)
        if parent is None:
            raise refusals.unknown_reference("parentAgentId", "agent", wanted.parent_id)
        if op.caps is not None:
            siblings = _children(work, parent.profile.id)
            known = next((one for one in siblings if _is_wanted(one, wanted)), None)
            if known is not None:
                return ops.AgentAdded(agent=known, repeated=True)
            require_room(op.caps, parent.profile.id, depth=parent.depth + 1, children=len(siblings))
        require_depth(parent.depth + 1, parent.profile.id)
        agent = _below(agent, parent, op)
        work.put(AGENT_CHILDREN, AgentChild(parent_id=parent.profile.id, agent_id=agent.profile.id))
        inherit_budgets(work, parent.profile.id, agent.profile.id)
    agent = begin_profile(work, agent, actor=op.actor)
    work.rows.put_agent(agent)
    work.say(events.agent_added(agent, actor=op.actor))
    if swarm is not None:
        agent = swarms.enter(work, agent, swarm, actor=op.actor)
    if agent.is_stopped:  # those who hand out work know of stops by these
        above = str(agent.parent_id)
        id_, reason = agent.profile.id, agent.stop_reason
        work.say(events.agent_stopped(id_, reason=reason, along_with=above, actor=events.SYSTEM))
    return ops.AgentAdded(agent=agent)


def _is_wanted(known: AgentRecord, wanted: AgentRecord) -> bool:
    """Whether this is the agent that is introduced once more; what works for a swarm has to be in there."""
    return known.name == wanted.name and wanted.profile.swarm_id in (None, known.profile.swarm_id)


def _below(agent: AgentRecord, parent: AgentRecord, op: ops.AddAgent) -> AgentRecord:
    role, above_role = agent.profile.agent_role, parent.profile.agent_role
    return replace(
        agent,
        depth=parent.depth + 1,
        permissions=permissions_below(agent.permissions, parent.permissions, role, above_role, op.profiles),
        stopped_at=parent.stopped_at,
        stopped_by=parent.stopped_by,
        stop_reason=parent.stop_reason,
    )


def set_permissions(work: Work, op: ops.SetAgentPermissions) -> AgentRecord:
    """An operator says what an agent may do from its next attempt on, and those below it at most."""
    agent = _require(work, op.agent_id)
    if op.profile is not None:
        require_enforceable(agent, op.profile)
    name = op.profile.name if op.profile else ""
    if agent.parent_id is not None:
        name = _within(work, agent, name, op)
    if agent.permissions == name:
        return agent
    agent = _permit(work, agent, name, op.actor)
    _narrow_below(work, agent, op)
    return agent


def _within(work: Work, agent: AgentRecord, name: str, op: ops.SetAgentPermissions) -> str:
    assert agent.parent_id is not None
    work.rows.prefetch(agents=[agent.parent_id])
    parent = _require(work, agent.parent_id)
    return permissions_below(name, parent.permissions, agent.profile.agent_role, parent.profile.agent_role, op.profiles)


def _narrow_below(work: Work, agent: AgentRecord, op: ops.SetAgentPermissions) -> None:
    """Who would be allowed more than the agent above gets the same; level by level."""
    levels = [agent]
    for above in levels:  # grows meanwhile
        own = op.profiles.granted(None, above.permissions, above.profile.agent_role).profile
        for child in _children(work, above.profile.id):
            theirs = op.profiles.granted(None, child.permissions, child.profile.agent_role).profile
            levels.append(child if theirs.is_within(own) else _permit(work, child, own.name, op.actor))


def _permit(work: Work, agent: AgentRecord, name: str, actor: str) -> AgentRecord:
    agent = replace(agent, permissions=name)
    work.rows.put_agent(agent)
    work.say(events.agent_permissions(agent.profile.id, name, actor=actor))
    return agent


def stop_agent(work: Work, op: ops.StopAgent) -> ops.AgentsStopped:
    """Stop an agent, or it and all below it; what they run is interrupted, and what they are offered is for all."""
    agents = [agent for agent in _chosen(work, op) if lays_down(op.actor, agent.stopped_by)]
    for agent in agents:
        since = work.now if agent.stopped_at is None else agent.stopped_at
        work.rows.put_agent(replace(agent, stopped_at=since, stopped_by=op.actor, stop_reason=op.reason))
        told = events.agent_stopped(agent.profile.id, reason=op.reason, along_with=op.agent_id, actor=op.actor)
        work.say(told)
    for agent in agents:
        offers.give_back(work, agent.profile.id, actor=op.actor)
    interrupted = [task_id for agent in agents for task_id in _interrupt(work, agent.profile.id, op.actor)]
    return ops.AgentsStopped(agents=tuple(agent.profile.id for agent in agents), interrupted=tuple(interrupted))


def _interrupt(work: Work, agent_id: str, actor: str) -> Iterator[str]:
    held = work.rows.held_by(agent_id)
    work.rows.prefetch(tasks=held)
    for task_id in held:
        if work.must(task_id).state.agent_id == agent_id:  # another server may have been faster, before it was locked
            work.decide(RequestPause(task_id=task_id, reason=PauseReason.STOP), actor=actor)
            yield task_id


def start_agent(work: Work, op: ops.StartAgent) -> ops.AgentsStopped:
    """Let an agent work again, or it and all below it."""
    chosen = _chosen(work, op)
    first = chosen[0]
    if first.is_stopped and not may_be_started_by(op.actor, first.stopped_by):
        raise Denied(
            f"agent {first.name!r} was stopped by {first.stopped_by}, and is not for agents to start",
            hint="ask a person: request-human-input",
            details={"agentId": op.agent_id, "by": first.stopped_by},
        )
    started = [agent for agent in chosen if agent.is_stopped and may_be_started_by(op.actor, agent.stopped_by)]
    for agent in started:
        work.rows.put_agent(replace(agent, stopped_at=None, stopped_by="", stop_reason=""))
        work.say(events.agent_started(agent.profile.id, actor=op.actor))
    return ops.AgentsStopped(agents=tuple(agent.profile.id for agent in started))


def _chosen(work: Work, op: ops.StopAgent | ops.StartAgent) -> list[AgentRecord]:
    """The agent that is meant, then those below it, level by level."""
    chosen = [_require(work, op.agent_id)]
    if op.recursive:
        for agent in chosen:  # grows meanwhile
            chosen.extend(_children(work, agent.profile.id))
    return chosen


def _children(work: Work, parent_id: str) -> list[AgentRecord]:
    """The agents directly below one whose row is locked, by id, each locked."""
    found: list[AgentChild] = []
    while page := work.scan(AGENT_CHILDREN, parent_id, after=(found[-1].agent_id,) if found else None, limit=PAGE):
        found.extend(page)
        if len(page) < PAGE:
            break
    work.rows.prefetch(agents=[child.agent_id for child in found])
    return [_require(work, child.agent_id) for child in found]


def _require(work: Work, agent_id: str) -> AgentRecord:
    agent = work.rows.agent(agent_id)
    if agent is None:
        raise refusals.unknown_agent(agent_id)
    return agent
